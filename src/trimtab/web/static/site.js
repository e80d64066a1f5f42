// What a page gains where scripts run: it hears what is new, and its pictures can be read point by point.
// Every page is whole without this file.
"use strict";
(() => {
  const told = document.getElementById("live");
  const say = (text) => { if (told) told.textContent = text; };

  // The server says which part is new; elements that want it fetch their part of the page again.
  const listen = () => {
    if (!("EventSource" in window) || !document.querySelector("#fresh")) return;
    const line = new EventSource("/live");
    line.addEventListener("open", () => say("live"));
    line.addEventListener("error", () => say("not live: what you see is from when the page was made"));
    line.addEventListener("changed", (event) => {
      for (const part of JSON.parse(event.data)) document.body.dispatchEvent(new CustomEvent(part));
    });
    window.addEventListener("pagehide", () => line.close());
  };

  document.addEventListener("htmx:responseError", (event) => {
    if (event.detail.xhr.status === 401) say("logged out: what you see is from before");
  });

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  const draw = async (figure) => {
    const answer = await fetch(figure.dataset.plot, { headers: { accept: "application/json" } });
    if (!answer.ok) return;
    const series = await answer.json();
    const points = series.points.filter((point) => point.value !== null);
    if (points.length < 2 || !window.uPlot) return;
    const box = document.createElement("div");
    // UTC, 24 hours; the day where the window is longer than one.
    const span = Number(points[points.length - 1].at_ns) / 1e9 - Number(points[0].at_ns) / 1e9;
    const moment = (seconds) => new Date(seconds * 1000).toISOString().slice(...(span > 172800 ? [5, 10] : [11, 16]));
    const axis = { stroke: colour("--soft"), grid: { stroke: colour("--line"), width: 0.6 }, ticks: { stroke: colour("--line") } };
    const width = Math.max(280, figure.clientWidth);
    const chart = new uPlot({
      width, height: 220, title: "",
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
      series: [{ label: "UTC", value: (_, seconds) => seconds == null ? "" : new Date(seconds * 1000).toISOString().slice(0, 19).replace("T", " ") }, { label: figure.dataset.name, stroke: colour("--link"), width: 1.5,
        value: (_, value) => value == null ? "" : `${value.toPrecision(4)} ${figure.dataset.unit}` }],
      axes: [{ ...axis, values: (_, ticks) => ticks.map(moment) }, { ...axis, size: 70 }],
      scales: { y: { range: (_, low, high) => [Math.min(0, low), high || 1] } },
    }, [points.map((point) => Number(point.at_ns) / 1e9), points.map((point) => point.value)], box);
    const picture = figure.querySelector("img");
    box.setAttribute("role", "img");
    box.setAttribute("aria-label", picture.alt);
    picture.replaceWith(box);
    new ResizeObserver(() => chart.setSize({ width: Math.max(280, figure.clientWidth), height: 220 })).observe(figure);
  };

  const drawAll = (root) => root.querySelectorAll("figure[data-plot]").forEach((figure) => draw(figure).catch(() => {}));
  document.addEventListener("DOMContentLoaded", () => { listen(); drawAll(document); });
  document.addEventListener("htmx:afterSwap", (event) => drawAll(event.target.parentNode || document));
})();
