// Holds the lines in place while the reader selects text.

export class Hold {
  /** @param {HTMLElement} rows @param {() => void} onrelease called when the selection may have ended */
  constructor(rows, onrelease) {
    this.rows = rows;
    /** Whether a mouse button is held down on a line. */
    this.isDown = false;
    rows.addEventListener('pointerdown', (event) => { if (event.pointerType === 'mouse') this.isDown = true; });
    this.release = () => {
      this.isDown = false;
      onrelease();
    };
    this.selected = () => onrelease();
    for (const end of ['pointerup', 'pointercancel']) window.addEventListener(end, this.release);
    document.addEventListener('selectionchange', this.selected);
  }

  end() {
    for (const end of ['pointerup', 'pointercancel']) window.removeEventListener(end, this.release);
    document.removeEventListener('selectionchange', this.selected);
  }

  get isSelecting() {
    if (this.isDown) return true;
    const selection = document.getSelection();
    return !!selection && !selection.isCollapsed && this.rows.contains(selection.anchorNode);
  }
}
