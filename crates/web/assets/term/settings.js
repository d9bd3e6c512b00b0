// The terminal settings that this browser remembers.

const STORE = 'tmo-terminal';

/** @typedef {{ keepsSize: boolean, isWhole: boolean | null, isRead: boolean }} Settings */

/** Whether the device has no room for a terminal, or no keyboard. */
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
    // Whether the terminal keeps its size when this page types into it.
    keepsSize: kept.keepsSize ?? isPhone(),
    // Whether a terminal with its own size is scaled to be visible as a whole. Null: as long as it stays readable.
    isWhole: kept.isWhole ?? null,
    // Whether a screen reader reads the terminal.
    isRead: kept.isRead ?? false,
  };
}

/** @param {Partial<Settings>} changed */
export function remember(changed) {
  localStorage.setItem(STORE, JSON.stringify({ ...settings(), ...changed }));
}
