// Patterns for the search of the log.

/** A regular expression that matches exactly this text. @param {string} text */
export const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** Numbers, ids and times; within a word, only its digits. */
const VARIABLE = /0x[0-9a-f]+|(?<![0-9a-z])[0-9a-f]*\d[0-9a-f.:-]*(?:T\d[\d:.]*)?|\d[\d.:-]*/gi;
/** Shorter words with digits and letters, such as `e2e`, are words and not ids. */
const SHORTEST = 6;
/** What a line of a logger has before the number of its level. */
const LEVEL = /(?<![\w.])(?:level|lvl|severity)"?\s?[:=]\s?$/i;
/** The most characters of a line that its pattern has. */
const LONGEST = 300;

const DIGITS = '[\\d.:-]+';
const TIME = '(?:T[\\d:.]+)?';

/** An expression for what differs in lines of a kind. None runs over a blank or a comma. @param {string} found */
function other(found) {
  if (/^0x/i.test(found)) return '0x[\\da-fA-F]+';
  if (!/[a-f]/i.test(found)) return DIGITS + TIME;
  return found.length < SHORTEST ? found.replace(/\d[\d.:-]*|[.:-]/g, (part) => (/\d/.test(part) ? DIGITS : escaped(part))) : `[\\da-fA-F.:-]+${TIME}`;
}

/** An expression for lines that differ from this one only in numbers, ids and times; of several rows, for the first. @param {string} text */
export function similar(text) {
  const [row] = text.split('\n');
  const start = row.slice(0, LONGEST);
  let expression = '';
  let at = 0;
  for (const { 0: found, index } of start.matchAll(VARIABLE)) {
    const before = start.slice(at, index);
    // Lines of another level are of another kind.
    expression += escaped(before) + (LEVEL.test(before) ? escaped(found) : other(found));
    at = index + found.length;
  }
  return `^${expression}${escaped(start.slice(at))}${row.length > LONGEST ? '' : '$'}`;
}
