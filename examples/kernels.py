"""Blurs, sharpens and embosses a picture, and finds its edges.

    python kernels.py [OUT.png]

The kernels are the literal weights of `kernels.net`.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw

import netdsl

SIZE = 160
HERE = Path(__file__).parent


def draw_picture() -> np.ndarray:
    """A grey picture with edges, a gradient and a texture; its values are from 0 to 1."""
    rows, columns = np.mgrid[0:SIZE, 0:SIZE]
    picture = Image.fromarray((60 + 100 * columns / SIZE).astype(np.uint8))
    pen = ImageDraw.Draw(picture)
    pen.ellipse((20, 18, 88, 86), fill=235)
    pen.rectangle((80, 70, 142, 140), fill=25, outline=250, width=3)
    pen.line((8, 150, 150, 12), fill=255, width=2)
    checked = ((rows // 4 + columns // 4) % 2 == 0) & (rows > 104) & (columns < 60)
    return np.where(checked, 0.9, np.asarray(picture) / 255).astype(np.float32)


def titled(name: str, values: np.ndarray) -> Image.Image:
    """One panel of the result, with its name above it."""
    panel = Image.new("L", (SIZE, SIZE + 16), 255)
    panel.paste(Image.fromarray((values.clip(0, 1) * 255).astype(np.uint8)), (0, 16))
    ImageDraw.Draw(panel).text((4, 2), name, fill=0)
    return panel


def main() -> None:
    """Run the net on the picture and save the panels side by side."""
    net = netdsl.load(str(HERE / "kernels.net"))
    picture = draw_picture()
    with torch.no_grad():
        results = net.torch()(torch.from_numpy(picture)[None, None])
    panels = [titled("picture", picture)]
    panels += [
        titled(output.name, result[0, 0].numpy())
        for output, result in zip(net.outputs, results, strict=True)
    ]
    sheet = Image.new("L", ((SIZE + 8) * len(panels) - 8, SIZE + 16), 255)
    for i, panel in enumerate(panels):
        sheet.paste(panel, (i * (SIZE + 8), 0))
    path = sys.argv[1] if len(sys.argv) > 1 else "kernels.png"
    sheet.save(path)
    print(f"{path}: {', '.join(o.name for o in net.outputs)} of a picture of {SIZE} x {SIZE}")


if __name__ == "__main__":
    main()
