// Drawing: the latest of each kind, one in a frame, so that no frame has to wait for two.
const due = new Map<string, () => void>();

export function draw(name: string, what: () => void) {
  if (!due.size) requestAnimationFrame(frame);
  due.set(name, what);
}

function frame() {
  const [next] = due;
  if (!next) return;
  due.delete(next[0]);
  next[1]();
  if (due.size) requestAnimationFrame(frame);
}

export const dropDrawings = () => due.clear();
