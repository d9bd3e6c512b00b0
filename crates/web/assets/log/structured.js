// Lines that programs write for other programs, as JSON or logfmt (`level=info msg="done" job=17`).

/** Longer lines are shown as they are, in characters. */
const LONGEST = 16 << 10;
/** The most properties that are shown; lines with more are shown as they are. */
const MOST = 100;

// The names that pino, zap, structlog, logrus, slog, tracing, Serilog, log4j and Python's loggers give these properties.
const LEVEL = ['level', 'severity', 'lvl', 'loglevel', 'log.level', 'levelname', '@l'];
const TIME = ['time', 'timestamp', 'ts', '@timestamp', 't', 'asctime', 'datetime', '@t', 'date'];
const MESSAGE = ['msg', 'message', 'event', '@m', '@mt', 'text'];
/** The levels of pino and bunyan, by tens. */
const NUMBERED = ['', 'trace', 'debug', 'info', 'warn', 'error', 'fatal'];

/**
 * @typedef {{ level: string, kind: 'bad' | 'warn' | 'dim' | '', time: string, at: number, message: string, rest: [string, string][], all: [string, string][] }} Structured
 *   `kind` is the importance of the level as a class of the style sheet; texts that the line does not have are empty;
 *   `at` is its time in milliseconds, NaN without one; `rest` has what is neither level, time nor message
 */

/** @param {string} text @returns {Structured | null} null if the line is none */
export function structured(text) {
  if (text.length > LONGEST) return null;
  const pairs = text.startsWith('{') ? ofJson(text) : ofLogfmt(text);
  if (!pairs || pairs.length > MOST) return null;
  const all = [...pairs];
  const take = (/** @type {string[]} */ names, isMeant = (/** @type {string} */ _value) => true) => {
    for (const name of names) {
      const at = pairs.findIndex(([key, value]) => key.toLowerCase() === name && isMeant(value));
      if (at >= 0) return pairs.splice(at, 1)[0][1];
    }
    return null;
  };
  const isTime = (/** @type {string} */ value) => !NUMBER.test(value) || !Number.isNaN(moment(value));
  const [level, time, message] = [take(LEVEL), take(TIME, isTime), take(MESSAGE)];
  // Others are data, not the line of a log.
  if (message === null || (level === null && time === null)) return null;
  const word = /^\d0$/.test(level ?? '') ? NUMBERED[Number(level) / 10] ?? level : level;
  return { level: word ?? '', kind: importance(word ?? ''), time: time ?? '', at: moment(time ?? ''), message, rest: pairs, all };
}

const NUMBER = /^\d+(\.\d+)?$/;

/** The time in milliseconds; NaN if the text is none. @param {string} text */
function moment(text) {
  if (!NUMBER.test(text)) return Date.parse(text.replace(/(\d),(\d)/, '$1.$2'));
  // Seconds, milliseconds, microseconds or nanoseconds since 1970, of this century and later.
  const number = Number(text);
  if (number < 1e9) return NaN;
  if (number < 1e11) return number * 1e3;
  if (number < 1e14) return number;
  return number < 1e17 ? number / 1e3 : number / 1e6;
}

/** @param {string} level @returns {Structured['kind']} */
function importance(level) {
  const word = level.toLowerCase();
  if (/^(e|err|error|f|fatal|crit|critical|panic|dpanic|alert|emerg|emergency|severe)$/.test(word)) return 'bad';
  if (/^(w|warn|warning)$/.test(word)) return 'warn';
  return /^(d|debug|t|trace|v|verbose|silly|fine)/.test(word) ? 'dim' : '';
}

/** @param {string} text @returns {[string, string][] | null} */
function ofJson(text) {
  if (!text.trimEnd().endsWith('}')) return null;
  try {
    // Numbers stay as they were written: `JSON.parse` would round long ones.
    if (!JSON.rawJSON && /\d{16}|\.\d*0\b/.test(text)) return null;
    const { fields, ...others } = JSON.parse(text, (_key, value, context) => (typeof value === 'number' && JSON.rawJSON ? JSON.rawJSON(context.source) : value));
    // tracing has the message and the values of the event in an object of their own.
    const isTracing = fields?.message !== undefined;
    const pairs = [...Object.entries(isTracing || fields === undefined ? others : { ...others, fields }), ...Object.entries(isTracing ? fields : {})];
    return pairs.map(([key, value]) => [key, typeof value === 'string' ? value : JSON.stringify(value)]);
  } catch {
    return null;
  }
}

const PAIR = /([A-Za-z_@][\w.@/-]*)=("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^\s"']*)(?:\s+|$)/y;

/** @param {string} text @returns {[string, string][] | null} */
function ofLogfmt(text) {
  const line = text.trimEnd();
  /** @type {[string, string][]} */
  const pairs = [];
  PAIR.lastIndex = 0;
  while (PAIR.lastIndex < line.length) {
    const match = PAIR.exec(line);
    if (!match) return null;
    pairs.push([match[1], /^["']/.test(match[2]) ? unquoted(match[2]) : match[2]]);
  }
  return pairs.length > 1 ? pairs : null;
}

/** @param {string} text in quotes */
function unquoted(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text.slice(1, -1);
  }
}
