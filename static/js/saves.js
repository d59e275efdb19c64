/**
 * Saving as they type. Nothing typed is ever lost: each file's unsaved text waits in the browser's own storage until
 * the server has acknowledged exactly that text. Pure but for the store, the timers and `put` it is given.
 *
 * @typedef {{text: string, version: string|null}} Stored
 * @typedef {{ok: true, version: string}|{conflict: Stored & {sentence: string}}} Reply
 * @typedef {{path: string, text: string, version: string|null, state: "saved"|"typed"|"saving"|"failed"|"conflict",
 *   savedAt: number|null, theirs: Stored|null, sentence: string}} File
 */

const AFTER = 600;
const RETRY = 3_000;

export class SaveQueue {
  /**
   * @param {{put: (path: string, text: string, base: string|null) => Promise<Reply>,
   *   store: Pick<Storage, "getItem"|"setItem"|"removeItem">, scope: string,
   *   onChange: (file: File) => void, now?: () => number}} wiring
   * scope: whose drafts these are (the sandbox's id)
   */
  constructor({ put, store, scope, onChange, now = Date.now }) {
    Object.assign(this, { put, store, scope, onChange, now });
    /** @type {Map<string, File>} */
    this.files = new Map();
    this.timers = new Map();
    this.flights = new Map();
  }

  /**
   * A file as the server has it. A draft that never reached the server comes back on top of it, or stands against it
   * when the server's text is another than the one it was typed over.
   * @returns {File}
   */
  open(path, { text, version }) {
    const file = { path, text, version, state: "saved", savedAt: null, theirs: null, sentence: "" };
    this.files.set(path, file);
    const draft = this.#draft(path);
    if (!draft || draft.text === text) this.#forget(path);
    else if (draft.base === version) this.edit(path, draft.text);
    else this.#conflict(file, draft.text, { text, version }, "This file changed elsewhere while you were away.");
    return file;
  }

  edit(path, text) {
    const file = this.files.get(path);
    if (file.text === text && file.state !== "failed") return;
    file.text = text;
    this.#remember(file);
    if (file.state === "conflict") return;
    this.#move(file, "typed");
    this.#schedule(path, AFTER);
  }

  /** Save now; resolves when the server has this text, or with what stands in the way. @returns {Promise<File>} */
  async flush(path) {
    clearTimeout(this.timers.get(path));
    const file = this.files.get(path);
    while (file.state !== "conflict" && (file.state !== "saved" || this.flights.has(path))) {
      const before = file.text;
      await this.#send(file);
      if (file.state === "failed" && file.text === before) break;
    }
    return file;
  }

  /** @param {"mine"|"theirs"} keep */
  resolve(path, keep) {
    const file = this.files.get(path);
    const { theirs } = file;
    Object.assign(file, { version: theirs.version, theirs: null, sentence: "" });
    if (keep === "theirs") {
      file.text = theirs.text;
      this.#forget(path);
      this.#move(file, "saved");
      return Promise.resolve(file);
    }
    this.#remember(file);
    this.#move(file, "typed");
    return this.flush(path);
  }

  /**
   * Keep nothing of a file that is deleted; no save that was under way brings it back.
   * @param {() => Promise<void>} remove deletes it; when that fails, what was typed is still saved
   */
  async drop(path, remove = async () => {}) {
    clearTimeout(this.timers.get(path));
    await this.flights.get(path);
    clearTimeout(this.timers.get(path));
    try {
      await remove();
    } catch (error) {
      if (!["saved", "conflict"].includes(this.files.get(path)?.state)) this.#schedule(path, AFTER);
      throw error;
    }
    this.files.delete(path);
    this.#forget(path);
  }

  /** Someone else may have changed it: the server's text replaces ours unless we hold unsaved work. */
  refresh(path, stored) {
    const file = this.files.get(path);
    if (!file || file.version === stored.version) return;
    if (file.state === "saved") {
      Object.assign(file, stored);
      this.#move(file, "saved");
    }
  }

  #send(file) {
    const { path } = file;
    if (!this.flights.has(path)) {
      const flight = this.#attempt(file).finally(() => this.flights.delete(path));
      this.flights.set(path, flight);
    }
    return this.flights.get(path);
  }

  async #attempt(file) {
    const sent = file.text;
    this.#move(file, "saving");
    let reply;
    try {
      reply = await this.put(file.path, sent, file.version);
    } catch (error) {
      return this.#failed(file, error);
    }
    if (reply.conflict) return this.#conflict(file, file.text, reply.conflict, reply.conflict.sentence);
    file.version = reply.version;
    file.savedAt = this.now();
    file.sentence = "";
    if (file.text === sent) {
      this.#forget(file.path);
      return this.#move(file, "saved");
    }
    this.#remember(file);
    this.#move(file, "typed");
    return this.#schedule(file.path, AFTER);
  }

  #failed(file, error) {
    file.sentence = error.message;
    this.#move(file, "failed");
    this.#schedule(file.path, RETRY);
  }

  #conflict(file, mine, theirs, sentence) {
    Object.assign(file, { text: mine, theirs: { text: theirs.text, version: theirs.version }, sentence });
    this.#remember(file);
    this.#move(file, "conflict");
  }

  #schedule(path, ms) {
    clearTimeout(this.timers.get(path));
    this.timers.set(path, setTimeout(() => this.files.has(path) && this.#send(this.files.get(path)), ms));
  }

  #move(file, state) {
    file.state = state;
    this.onChange(file);
  }

  #key(path) { return `millrace:${this.scope}:${path}`; }

  #remember({ path, text, version }) {
    try {
      this.store.setItem(this.#key(path), JSON.stringify({ text, base: version }));
    } catch { /* storage full or forbidden: the server's copy is the other belt */ }
  }

  #forget(path) {
    try {
      this.store.removeItem(this.#key(path));
    } catch { /* as above */ }
  }

  #draft(path) {
    try {
      return JSON.parse(this.store.getItem(this.#key(path)));
    } catch {
      return null;
    }
  }
}
