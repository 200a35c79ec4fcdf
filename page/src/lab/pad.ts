// The canvas with one picture, on which the visitor can draw.

const WIDTH = 14; // of the pen, in pixels of the canvas

export class Pad {
  isDrawn = false;
  private context: CanvasRenderingContext2D;

  constructor(
    readonly canvas: HTMLCanvasElement,
    private onDrawn: () => void,
  ) {
    this.context = canvas.getContext("2d", { willReadFrequently: true })!;
    canvas.addEventListener("pointerdown", (event) => {
      if (!this.isDrawn) this.clear();
      canvas.setPointerCapture(event.pointerId);
      const draw = (moved: PointerEvent) => this.line(moved);
      this.begin(event);
      canvas.addEventListener("pointermove", draw);
      canvas.addEventListener(
        "pointerup",
        () => {
          canvas.removeEventListener("pointermove", draw);
          this.onDrawn();
        },
        { once: true },
      );
    });
  }

  clear(): void {
    this.isDrawn = true;
    this.context.fillStyle = "#000";
    this.context.fillRect(0, 0, this.canvas.width, this.canvas.height);
  }

  // The picture as bytes, channels x height x width; one channel is grey.
  pixels(channels: number, height: number, width: number): Float32Array {
    const small = new OffscreenCanvas(width, height);
    const context = small.getContext("2d", { willReadFrequently: true })!;
    context.imageSmoothingQuality = "high";
    context.drawImage(this.canvas, 0, 0, width, height);
    const { data } = context.getImageData(0, 0, width, height);
    return Float32Array.from({ length: channels * height * width }, (_, i) => data[4 * (i % (height * width))] ?? 0);
  }

  private begin(event: PointerEvent): void {
    const context = this.context;
    context.strokeStyle = "#fff";
    context.lineWidth = WIDTH;
    context.lineCap = context.lineJoin = "round";
    context.beginPath();
    context.moveTo(...this.place(event));
    this.line(event);
  }

  private line(event: PointerEvent): void {
    this.context.lineTo(...this.place(event));
    this.context.stroke();
  }

  private place(event: PointerEvent): [number, number] {
    const scale = this.canvas.width / this.canvas.clientWidth;
    return [event.offsetX * scale, event.offsetY * scale];
  }
}
