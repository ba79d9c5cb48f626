// The colours that were chosen here before, set while the page is still being read, so that it never flashes in the others.
(() => {
  const root = document.documentElement;
  const set = (theme) => (theme === 'light' || theme === 'dark' ? (root.dataset.theme = theme) : delete root.dataset.theme);
  let chosen = 'auto';
  try {
    chosen = localStorage.getItem('rowpass-theme') ?? 'auto';
  } catch {
    // Storage is switched off: the system's colours, each time.
  }
  set(chosen);
  addEventListener('DOMContentLoaded', () => {
    const choices = document.querySelectorAll('#theme input');
    for (const choice of choices) {
      choice.checked = choice.value === (root.dataset.theme ?? 'auto');
      choice.addEventListener('change', () => {
        set(choice.value);
        try {
          localStorage.setItem('rowpass-theme', choice.value);
        } catch {
          // It holds for as long as the page is open.
        }
      });
    }
  });
})();
