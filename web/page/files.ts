// Files that the visitor gives: chosen, dropped (folders too) or pasted. Only found here; the worker reads them.

export interface Given {
  name: string;
  file: Blob;
}

/** All files below a dropped folder, with their paths; what the system does not give is named to `skip`. */
async function below(entry: FileSystemEntry, path: string, skip: (name: string) => void): Promise<Given[]> {
  try {
    return await inside(entry, path, skip);
  } catch {
    skip(path + entry.name);
    return [];
  }
}

async function inside(entry: FileSystemEntry, path: string, skip: (name: string) => void): Promise<Given[]> {
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject));
    return [{ name: path + entry.name, file }];
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  const found: Given[] = [];
  // A folder comes a hundred entries at a time, until none come.
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return found;
    for (const one of some) found.push(...(await below(one, `${path}${entry.name}/`, skip)));
  }
}

async function given(data: DataTransfer, take: Take) {
  // Entries must be asked for at once: after the first wait the data is gone.
  const items = Array.from(data.items).filter(({ kind }) => kind === 'file');
  const entries = items.map((item) => item.webkitGetAsEntry?.() ?? null);
  const files = items.map((item) => item.getAsFile());
  const found: Given[] = [];
  const unreadable: string[] = [];
  for (const [i, entry] of entries.entries()) {
    if (entry) found.push(...(await below(entry, '', (name) => unreadable.push(name))));
    else if (files[i]) found.push({ name: files[i]!.name, file: files[i]! });
  }
  take(found, unreadable);
}

type Take = (files: Given[], unreadable: string[]) => void;

export function listen(take: Take) {
  const drop = document.getElementById('drop')!;
  const over = (on: boolean) => {
    for (const place of [drop, document.getElementById('inside')!]) place.classList.toggle('over', on);
  };
  // Anywhere on the page, so that a file that misses the box does not replace the page.
  addEventListener('dragover', (event) => {
    event.preventDefault();
    over(true);
  });
  addEventListener('dragleave', (event) => {
    if (!event.relatedTarget) over(false);
  });
  addEventListener('drop', (event) => {
    event.preventDefault();
    over(false);
    if (event.dataTransfer) void given(event.dataTransfer, take);
  });
  addEventListener('paste', (event) => {
    if (event.clipboardData?.files.length) void given(event.clipboardData, take);
  });
  for (const id of ['files', 'folder']) {
    const input = document.getElementById(id) as HTMLInputElement;
    input.addEventListener('change', () => {
      take(Array.from(input.files ?? [], (file) => ({ name: file.webkitRelativePath || file.name, file })), []);
      input.value = ''; // the same files may be chosen again
    });
  }
}
