// Where the parts of the page that scroll were left.

/** How far they were scrolled, in pixels, by what they show. @type {Map<string, number>} */
const tops = new Map();

/**
 * Scroll a part to where it was left, as soon as it is long enough, unless the reader scrolls before.
 * @param {HTMLElement} element @param {string} what
 * @returns {() => void} to be called before the part is removed
 */
export function scrollBack(element, what) {
  const top = tops.get(what) ?? 0;
  const growth = new ResizeObserver(() => {
    element.scrollTop = top;
    if (element.scrollTop >= top - 1) growth.disconnect();
  });
  if (top) for (const child of element.children) growth.observe(child);
  for (const wish of ['wheel', 'touchstart', 'pointerdown', 'keydown']) {
    element.addEventListener(wish, () => growth.disconnect(), { once: true, passive: true });
  }
  return () => {
    growth.disconnect();
    tops.set(what, element.scrollTop);
  };
}
