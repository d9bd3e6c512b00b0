// A crash as Markdown, for an issue or a message.

import { full, span } from '../lib/time.js';
import { block, table } from '../log/export.js';
import { sentence } from './report.js';

/**
 * Inline code, between more backticks than the text has in a row. Text of processes is always code: sites turn names after
 * an @ and bare addresses into notifications and links, also where they are escaped. @param {string} text
 */
function code(text) {
  const line = text.replace(/\s+/g, ' ');
  const longest = Math.max(0, ...(line.match(/`+/g) ?? []).map((run) => run.length));
  const fence = '`'.repeat(longest + 1);
  return longest ? `${fence} ${line} ${fence}` : `${fence}${line}${fence}`;
}

/** @param {import('./report.js').Crash} crash */
export function markdown({ report, around }) {
  const { tmo } = report;
  const causes = tmo.cause.map((/** @type {any} */ cause) => {
    const place = cause.place ? `, in ${code(cause.place)}` : '';
    return `- ${code(cause.text)} (${cause.certainty})${place}`;
  });
  return [
    `## ${code(sentence(report))}`,
    `${full(new Date(report.timestamp))}, after ${span(tmo.uptime_ms)}, life ${tmo.life}. Command: ${code([report.command, ...(report.args ?? [])].join(' '))}`,
    causes.join('\n'),
    report.lastLogs.length ? `Its last lines:\n\n${block(report.lastLogs.join('\n'))}` : '',
    `What all processes printed around it:\n\n${block(table(around))}`,
  ].filter(Boolean).join('\n\n').concat('\n');
}
