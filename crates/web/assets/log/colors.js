// Shows terminal colours on the page.

const isDark = () => document.documentElement.dataset.theme === 'dark';

/** @param {number} number one of the 256 colours @returns {[number, number, number]} */
function rgb(number) {
  if (number >= 232) {
    const grey = 8 + (number - 232) * 10;
    return [grey, grey, grey];
  }
  const level = (/** @type {number} */ one) => (one ? 55 + one * 40 : 0);
  const cube = number - 16;
  return [level(Math.floor(cube / 36)), level(Math.floor(cube / 6) % 6), level(cube % 6)];
}

/** @param {[number, number, number]} color */
function luminance(color) {
  const [r, g, b] = color.map((part) => {
    const one = part / 255;
    return one <= 0.03928 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

/** Move a colour towards the text colour until it can be read. @param {[number, number, number]} color */
function readable(color) {
  const dark = isDark();
  // The background of the theme that has the least contrast to text.
  const page = dark ? 0.02 : 0.85;
  const goal = dark ? 255 : 20;
  let now = color;
  for (let step = 0; step < 8; step += 1) {
    const own = luminance(now);
    if ((Math.max(own, page) + 0.05) / (Math.min(own, page) + 0.05) >= 4.5) break;
    now = /** @type {[number, number, number]} */ (now.map((part) => Math.round(part + (goal - part) * 0.25)));
  }
  return `rgb(${now.join(' ')})`;
}

/** @type {Map<string, string>} */
const cache = new Map();

/** The CSS of a terminal colour. @param {number | string} color @param {boolean} isBackground */
export function css(color, isBackground = false) {
  if (typeof color === 'number' && color < 16) return `var(--c${color})`;
  const key = `${color} ${isBackground} ${isDark()}`;
  let value = cache.get(key);
  if (!value) {
    const exact = typeof color === 'string'
      ? /** @type {[number, number, number]} */ ([1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16)))
      : rgb(color);
    value = isBackground ? `rgb(${exact.join(' ')} / 35%)` : readable(exact);
    if (cache.size > 2000) cache.clear();
    cache.set(key, value);
  }
  return value;
}
