// Web addresses in the output of programs.

const LINK = /https?:\/\/[^\s"'<>`{}|\\^\u0000-\u001f\u007f-\u009f]+/g;
/** Punctuation after a link that is not part of it. */
const BEHIND = '.,;:!?)]';
/** Longer addresses are not taken for links, in characters. */
const LONGEST = 2048;

/** The URL if the text is a web address. @param {string} text */
export function webAddress(text) {
  // `URL.parse` is too new for some browsers.
  const url = text.length <= LONGEST && URL.canParse(text) ? new URL(text) : null;
  return url && (url.protocol === 'http:' || url.protocol === 'https:') && url.host ? url : null;
}

/**
 * The web addresses in a text, with their places in it.
 * @param {string} text @returns {{ start: number, end: number, href: string }[]}
 */
export function webLinks(text) {
  return [...text.matchAll(LINK)].flatMap((match) => {
    const [found] = match;
    let length = Math.min(found.length, LONGEST + 1);
    while (BEHIND.includes(found[length - 1])) length -= 1;
    const url = webAddress(found.slice(0, length));
    return url ? [{ start: match.index, end: match.index + length, href: url.href }] : [];
  });
}
