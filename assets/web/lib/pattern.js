// Patterns for the search of the log.

/** A regular expression that matches exactly this text. @param {string} text */
export const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
