// Elements: found, written to, and made. Text only ever becomes text.

export const element = <T extends HTMLElement = HTMLElement>(id: string) => document.getElementById(id) as T;

export function write(id: string, text: string) {
  const target = element(id);
  if (target.textContent !== text) target.textContent = text;
}

/** An element with properties and what is inside it. */
export function make<K extends keyof HTMLElementTagNameMap>(tag: K, properties: object = {}, ...inside: (Node | string)[]): HTMLElementTagNameMap[K] {
  const element: HTMLElementTagNameMap[K] = document.createElement(tag);
  Object.assign(element, properties);
  element.append(...inside);
  return element;
}

export function download(name: string, blob: Blob) {
  const link = Object.assign(document.createElement('a'), { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
