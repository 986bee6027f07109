// How it works.

/** Fills the view, once, when it is opened first. */
export function show(place: HTMLElement) {
  place.append(Object.assign(document.createElement('p'), { className: 'lead', textContent: 'To be written.' }));
}
