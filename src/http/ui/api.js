// The server's API, with the token of this browser tab. The token arrives behind the # of the address and stays in the tab.

const KEPT = "orchestrator-token";

export function takeToken() {
  const found = /(?:^#|[&?])token=([^&]+)/.exec(location.hash);
  if (!found) return;
  sessionStorage.setItem(KEPT, decodeURIComponent(found[1]));
  const page = /[&?]page=([^&]+)/.exec(location.hash);
  history.replaceState(null, "", `${location.pathname}#${page ? decodeURIComponent(page[1]) : "/runs"}`);
}

export const setToken = (token) => sessionStorage.setItem(KEPT, token);

export class Refused extends Error {
  constructor(status, answer) {
    super([answer.reason, answer.hint].filter(Boolean).join("; ") || `the server answered ${status}`);
    this.status = status;
    this.answer = answer;
  }
}

const headers = (more) => ({ Authorization: `Bearer ${sessionStorage.getItem(KEPT) ?? ""}`, ...more });

async function refuse(answer) {
  const text = await answer.text();
  let said = {};
  try { said = JSON.parse(text); } catch { /* not from the orchestrator */ }
  throw new Refused(answer.status, said);
}

export async function get(path, signal) {
  const answer = await fetch(path, { headers: headers(), signal });
  return answer.ok ? answer.json() : refuse(answer);
}

export async function post(path, body) {
  const sent = body === undefined ? {} : { body, headers: headers({ "Content-Type": "application/json" }) };
  const answer = await fetch(path, { method: "POST", headers: headers(), ...sent });
  return answer.ok ? answer.json().catch(() => ({})) : refuse(answer);
}

// Live events behind the id `last`; EventSource cannot send a token. Comes back by itself where it was cut off.
export async function live(path, last, { event, connected, lost }, signal) {
  let wait = 250;
  while (!signal.aborted) {
    try {
      const answer = await fetch(path, { headers: headers({ Accept: "text/event-stream", "Last-Event-ID": String(last) }), signal });
      if (!answer.ok) await refuse(answer);
      connected();
      wait = 250;
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = "";
      for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        const pieces = (rest + value).split("\n\n");
        rest = pieces.pop();
        for (const piece of pieces) {
          const field = (name) => piece.split("\n").find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
          if (field("event") === "end") return;
          if (field("data")) {
            last = Number(field("id"));
            event(JSON.parse(field("data")));
          }
        }
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Refused && error.status < 500) throw error;
    }
    lost();
    await new Promise((resolve) => setTimeout(resolve, wait));
    wait = Math.min(wait * 2, 5000);
  }
}
