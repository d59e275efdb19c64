/** The stories both sides decode (tests/live/fixtures), played through the page's own modules. */
import { readFileSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { decode } from "../../static/js/frames.js";
import { apply, emptyModel } from "../../static/js/model.js";
import { Session } from "../../static/js/socket.js";

const folder = fileURLToPath(new URL("../live/fixtures/", import.meta.url));

export const fixture = (name) => JSON.parse(readFileSync(`${folder}${name}.json`, "utf8"));

/** Names of all stories that carry frames. */
export const stories = () => readdirSync(folder)
  .filter((file) => file.endsWith(".json"))
  .map((file) => file.slice(0, -".json".length))
  .filter((name) => fixture(name).frames);

/** What a page holds after the frames, and what it would have sent. */
export function play(frames) {
  const session = new Session();
  const kept = { session, model: emptyModel(), sent: [], controls: [], lost: [], before: 0 };
  for (const raw of frames) {
    const frame = decode(JSON.stringify(raw));
    const verdict = session.take(frame);
    if (verdict === "resume") kept.sent.push({ op: "resume", epoch: session.epoch, seq: session.seq });
    if (verdict !== "apply") continue;
    if (frame.lane === "control") kept.controls.push([frame.kind, frame.data]);
    if (frame.lane === "lost") kept.lost.push([frame.from, frame.to]);
    kept.model = apply(kept.model, frame);
  }
  return kept;
}
