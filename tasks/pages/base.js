"use strict";

const THEMES = ["system", "light", "dark"];

function showTheme(theme) {
  document.documentElement.dataset.theme = theme;
  document.getElementById("theme").textContent = `Theme: ${theme}`;
}

// A browser may refuse to keep anything for a page from the disk.
function storedTheme() {
  try {
    return localStorage.getItem("whisperx-batch theme");
  } catch {
    return null;
  }
}

showTheme(THEMES.includes(storedTheme()) ? storedTheme() : "system");
document.getElementById("theme").addEventListener("click", () => {
  const theme = THEMES[(THEMES.indexOf(document.documentElement.dataset.theme) + 1) % THEMES.length];
  showTheme(theme);
  try {
    localStorage.setItem("whisperx-batch theme", theme);
  } catch { /* it holds until the page is closed */ }
});
