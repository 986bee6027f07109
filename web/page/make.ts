/** An element with properties and what is inside it. Text only ever becomes text. */
export function make<K extends keyof HTMLElementTagNameMap>(tag: K, properties: object = {}, ...inside: (Node | string)[]): HTMLElementTagNameMap[K] {
  const element: HTMLElementTagNameMap[K] = document.createElement(tag);
  Object.assign(element, properties);
  element.append(...inside);
  return element;
}
