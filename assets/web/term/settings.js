// What this browser remembers of how terminals are shown.

const STORE = 'tmo-terminal';

/** @typedef {{ keepsSize: boolean, isWhole: boolean | null, isRead: boolean }} Settings */

/** A device without room for a terminal, or without a keyboard. */
export function isPhone() {
  return matchMedia('(pointer: coarse), (max-width: 700px)').matches;
}

/** @returns {Settings} */
export function settings() {
  let kept;
  try {
    kept = JSON.parse(localStorage.getItem(STORE) ?? '{}');
  } catch {
    kept = {};
  }
  return {
    // The terminal keeps its size when this page types into it.
    keepsSize: kept.keepsSize ?? isPhone(),
    // A terminal with a size of its own is scaled so that all of it is seen; null: as long as it can be read.
    isWhole: kept.isWhole ?? null,
    // A screen reader reads it.
    isRead: kept.isRead ?? false,
  };
}

/** @param {Partial<Settings>} changed */
export function remember(changed) {
  localStorage.setItem(STORE, JSON.stringify({ ...settings(), ...changed }));
}
