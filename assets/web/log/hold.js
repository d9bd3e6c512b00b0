// Whether the reader is selecting text: the lines must not move then.

export class Hold {
  /** @param {HTMLElement} rows @param {() => void} onrelease called when that may have ended */
  constructor(rows, onrelease) {
    this.rows = rows;
    /** A button of the mouse is down on a line. */
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
