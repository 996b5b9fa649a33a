// Small parts of all pages. Text is only ever set as text: nothing of the server's is read as markup.

export const GLYPHS = {
  waiting: "○", queued: "○", starting: "◔", running: "◐", "lost-contact": "?", retrying: "↻", paused: "‖",
  succeeded: "✓", failed: "✗", stopped: "✗", skipped: "–", cancelled: "⊘",
};
export const STATES = ["waiting", "starting", "running", "lost-contact", "retrying", "succeeded", "failed", "skipped", "cancelled"];
export const ENDED = new Set(["succeeded", "failed", "skipped", "cancelled", "stopped"]);

export function make(tag, members = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(members)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child != null));
  return element;
}

export function state(word) {
  const element = make("span", { class: "state" }, `${GLYPHS[word] ?? "·"} ${word}`);
  element.style.color = `var(--${word})`;
  return element;
}

export function span(milliseconds) {
  if (milliseconds == null) return "";
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`;
  const seconds = milliseconds / 1000;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 60 ? `${minutes} min ${Math.floor(seconds % 60)} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export const when = (at) => (at == null ? "" : new Date(at).toLocaleString());

export function bar(counts) {
  const all = STATES.reduce((sum, word) => sum + (counts[word] ?? 0), 0);
  const element = make("span", { class: "bar", "aria-hidden": "true" });
  for (const word of ["succeeded", "failed", "cancelled", "skipped", "running", "starting", "retrying", "lost-contact"]) {
    const part = make("i");
    part.style.width = `${(100 * (counts[word] ?? 0)) / Math.max(all, 1)}%`;
    part.style.background = `var(--${word})`;
    element.append(part);
  }
  return element;
}

export function table(head, rows, label) {
  const cells = (tag, values) => values.map((value) => make(tag, tag === "th" ? { scope: "col" } : {}, value ?? ""));
  return make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": label },
    make("table", {}, make("thead", {}, make("tr", {}, ...cells("th", head))),
      make("tbody", {}, ...rows.map((row) => make("tr", {}, ...cells("td", row))))));
}

export const failure = (error) => make("p", { class: "error", role: "alert" }, error.message);
