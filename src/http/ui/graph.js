// The drawing of a run on a canvas: only what is in sight is drawn, at most once per frame. The table beside it says the same.

import { ENDED, GLYPHS } from "./parts.js";

const WIDTH = 160;
const HEIGHT = 44;

export class Graph {
  constructor(canvas, select) {
    this.canvas = canvas;
    this.select = select;
    this.view = { nodes: [], edges: [], width: 1, height: 1 };
    this.scale = 1;
    this.left = 0;
    this.top = 0;
    this.chosen = null;
    this.waits = false;
    this.listen();
  }

  show(view) {
    this.view = view;
    this.fit();
  }

  fit() {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    this.scale = Math.min(1.4, Math.max(0.02, Math.min(width / this.view.width, height / this.view.height)));
    this.left = (this.view.width - width / this.scale) / 2;
    this.top = (this.view.height - height / this.scale) / 2;
    this.redraw();
  }

  choose(index, look = false) {
    this.chosen = index;
    const node = this.view.nodes[index];
    if (look && node) {
      this.scale = Math.max(this.scale, 0.6);
      this.left = node.x - this.canvas.clientWidth / this.scale / 2;
      this.top = node.y - this.canvas.clientHeight / this.scale / 2;
    }
    this.redraw();
  }

  redraw() {
    if (this.waits) return;
    this.waits = true;
    requestAnimationFrame(() => {
      this.waits = false;
      this.draw();
    });
  }

  draw() {
    const { canvas, view, scale } = this;
    const { clientWidth: width, clientHeight: height } = canvas;
    const ratio = devicePixelRatio || 1;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    const style = getComputedStyle(canvas);
    const colours = {};
    const colour = (name) => (colours[name] ??= style.getPropertyValue(`--${name}`).trim());
    const pen = canvas.getContext("2d");
    pen.setTransform(ratio * scale, 0, 0, ratio * scale, -this.left * ratio * scale, -this.top * ratio * scale);
    pen.clearRect(this.left, this.top, width / scale, height / scale);
    const sight = { left: this.left, top: this.top, right: this.left + width / scale, bottom: this.top + height / scale };
    this.drawEdges(pen, sight, colour);
    for (const node of view.nodes) {
      const out = node.x + WIDTH / 2 < sight.left || node.x - WIDTH / 2 > sight.right || node.y + HEIGHT / 2 < sight.top || node.y - HEIGHT / 2 > sight.bottom;
      if (!out) this.drawNode(pen, node, colour);
    }
    if (view.nodes.length > 100) this.drawMap(pen, ratio, width, height, sight, colour);
  }

  drawEdges(pen, sight, colour) {
    pen.lineWidth = Math.max(1.2, 0.6 / this.scale);
    pen.strokeStyle = colour("edge");
    for (const arrived of [true, false]) {
      pen.setLineDash(arrived ? [] : [5, 4]);
      pen.beginPath();
      for (const edge of this.view.edges) {
        if (ENDED.has(this.view.nodes[edge.from].state) !== arrived) continue;
        const points = edge.points;
        const first = points[0];
        const last = points[points.length - 1];
        if (first[0] > sight.right || last[0] < sight.left) continue;
        pen.moveTo(first[0], first[1]);
        for (let at = 1; at < points.length; at++) {
          const [fromX, fromY] = points[at - 1];
          const [x, y] = points[at];
          const middle = (fromX + x) / 2;
          if (y === fromY) pen.lineTo(x, y);
          else pen.bezierCurveTo(middle, fromY, middle, y, x, y);
        }
      }
      pen.stroke();
    }
    pen.setLineDash([]);
  }

  drawNode(pen, node, colour) {
    const left = node.x - WIDTH / 2;
    const top = node.y - HEIGHT / 2;
    const tone = colour(node.state);
    if (this.scale < 0.25) {
      pen.fillStyle = tone;
      pen.fillRect(left, top, WIDTH, HEIGHT);
      return;
    }
    pen.beginPath();
    pen.roundRect(left, top, WIDTH, HEIGHT, 6);
    pen.fillStyle = colour("card");
    pen.fill();
    pen.lineWidth = this.chosen === node.index ? 3 : 1.2;
    pen.strokeStyle = this.chosen === node.index ? colour("focus") : tone;
    pen.stroke();
    pen.fillStyle = tone;
    pen.fillRect(left, top + 6, 4, HEIGHT - 12);
    pen.textBaseline = "middle";
    pen.font = "600 12px system-ui, sans-serif";
    pen.fillStyle = colour("text");
    pen.fillText(short(`${node.step} ${node.title}`, 22), left + 12, top + 14);
    pen.font = "11px system-ui, sans-serif";
    pen.fillStyle = tone;
    pen.fillText(`${GLYPHS[node.state] ?? ""} ${node.state}`, left + 12, top + 31);
    pen.fillStyle = colour("quiet");
    pen.textAlign = "right";
    pen.fillText(note(node), left + WIDTH - 8, top + 31);
    pen.textAlign = "left";
  }

  drawMap(pen, ratio, width, height, sight, colour) {
    const scale = Math.min(180 / this.view.width, 110 / this.view.height);
    const [wide, high] = [this.view.width * scale, this.view.height * scale];
    const [left, top] = [width - wide - 10, height - high - 10];
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.fillStyle = colour("page");
    pen.fillRect(left, top, wide, high);
    for (const node of this.view.nodes) {
      pen.fillStyle = colour(node.state);
      pen.fillRect(left + (node.x - WIDTH / 2) * scale, top + (node.y - HEIGHT / 2) * scale, Math.max(1, WIDTH * scale), Math.max(1, HEIGHT * scale));
    }
    pen.strokeStyle = colour("focus");
    pen.lineWidth = 1;
    const inside = (value, most) => Math.min(Math.max(value, 0), most) * scale;
    const [fromX, toX] = [inside(sight.left, this.view.width), inside(sight.right, this.view.width)];
    const [fromY, toY] = [inside(sight.top, this.view.height), inside(sight.bottom, this.view.height)];
    pen.strokeRect(left + fromX, top + fromY, toX - fromX, toY - fromY);
  }

  at(event) {
    const box = this.canvas.getBoundingClientRect();
    const x = this.left + (event.clientX - box.left) / this.scale;
    const y = this.top + (event.clientY - box.top) / this.scale;
    return this.view.nodes.find((node) => Math.abs(node.x - x) <= WIDTH / 2 && Math.abs(node.y - y) <= HEIGHT / 2);
  }

  listen() {
    const { canvas } = this;
    let held = null;
    canvas.addEventListener("pointerdown", (event) => {
      held = { x: event.clientX, y: event.clientY, moved: false };
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!held) return;
      held.moved ||= Math.hypot(event.clientX - held.x, event.clientY - held.y) > 4;
      if (!held.moved) return;
      this.left -= (event.clientX - held.x) / this.scale;
      this.top -= (event.clientY - held.y) / this.scale;
      held = { x: event.clientX, y: event.clientY, moved: true };
      this.redraw();
    });
    canvas.addEventListener("pointerup", (event) => {
      const node = held?.moved ? null : this.at(event);
      held = null;
      if (node) this.select(node.index);
    });
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      const box = canvas.getBoundingClientRect();
      const scale = Math.min(3, Math.max(0.02, this.scale * Math.exp(-event.deltaY / 500)));
      this.left += (event.clientX - box.left) * (1 / this.scale - 1 / scale);
      this.top += (event.clientY - box.top) * (1 / this.scale - 1 / scale);
      this.scale = scale;
      this.redraw();
    }, { passive: false });
    new ResizeObserver(() => this.redraw()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.redraw());
  }
}

const short = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

function note(node) {
  if (node.attempt > 1) return `try ${node.attempt}`;
  return node.state === "waiting" && node.inputs > 0 ? `${node["inputs-arrived"]}/${node.inputs} in` : "";
}
