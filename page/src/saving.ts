// Saves the text on every change into the file that `netdsl view` serves.

import type { Server, ServedFile } from "./server";

const PAUSE = 400; // milliseconds without a key, after which the text is saved

export class Saving {
  private sum: string;
  private saved: string;
  private timer = 0;
  private isBusy = false;

  // `read` gives the text of the editor, and `replace` puts another one there.
  constructor(
    private server: Server,
    readonly file: ServedFile,
    private read: () => string,
    private replace: (text: string) => void,
    private say: (text: string, kind: "" | "error") => void,
  ) {
    this.sum = file.sum;
    this.saved = file.text;
  }

  changed(): void {
    if (!this.file.can_save) return;
    clearTimeout(this.timer);
    this.timer = self.setTimeout(() => void this.save(), PAUSE);
  }

  async save(): Promise<void> {
    const text = this.read();
    if (this.isBusy || text === this.saved) return;
    this.isBusy = true;
    try {
      this.sum = await this.server.save(text, this.sum);
      this.saved = text;
    } catch (error) {
      this.say(`not saved: ${(error as Error).message}`, "error");
    } finally {
      this.isBusy = false;
      if (this.read() !== text) this.changed();
    }
  }

  // Resolves once the file has the text of the editor; rejects if it cannot have it.
  async settled(): Promise<void> {
    clearTimeout(this.timer);
    if (this.file.can_save) await this.save();
    if (this.read() !== this.saved) throw new Error("the text is not saved, so it cannot be trained");
  }

  // Another program has changed the file: its text is shown, unless the visitor has changed it too.
  async taken(sum: string): Promise<void> {
    if (sum === this.sum || this.isBusy) return;
    const file = await this.server.open();
    if (file.sum === this.sum) return;
    if (this.read() !== this.saved) {
      this.say("not saved: another program has changed the file; Save downloads your text", "error");
      return;
    }
    this.sum = file.sum;
    this.saved = file.text;
    this.replace(file.text);
  }
}
