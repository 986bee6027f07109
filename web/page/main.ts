import type { FromWorker } from './messages';

const element = (id: string) => document.getElementById(id) as HTMLElement;

function show(message: FromWorker) {
  if (message.kind === 'adapter') {
    element('adapter').textContent = message.adapter.name;
  } else {
    element('adapter').textContent = 'none';
    element('error').textContent = message.text;
    element('error').hidden = false;
  }
}

const worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' });
worker.addEventListener('message', (event: MessageEvent<FromWorker>) => show(event.data));
worker.addEventListener('error', (event) => {
  show({ kind: 'error', text: event.message || 'the page could not load its worker: reload it, or try a newer browser' });
});
