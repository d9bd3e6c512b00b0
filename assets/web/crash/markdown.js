// A crash as Markdown, for an issue or a message.

import { full, span } from '../lib/time.js';
import { block, table } from '../log/export.js';
import { sentence } from './report.js';

/** Text in a line, without what Markdown would take for its own. @param {string} text */
const escaped = (text) => text.replace(/[\\`*_[\]<>#|]/g, '\\$&');

/** @param {import('./report.js').Crash} crash */
export function markdown({ report, around }) {
  const { tmo } = report;
  const causes = tmo.cause.map((/** @type {any} */ cause) => {
    const place = cause.place ? `, in \`${cause.place}\`` : '';
    return `- ${escaped(cause.text)} (${cause.certainty})${place}`;
  });
  return [
    `## ${escaped(sentence(report))}`,
    `${full(new Date(report.timestamp))}, after ${span(tmo.uptime_ms)}, life ${tmo.life}. Command: \`${[report.command, ...(report.args ?? [])].join(' ')}\``,
    causes.join('\n'),
    report.lastLogs.length ? `Its last lines:\n\n${block(report.lastLogs.join('\n'))}` : '',
    `What all processes printed around it:\n\n${block(table(around))}`,
  ].filter(Boolean).join('\n\n').concat('\n');
}
