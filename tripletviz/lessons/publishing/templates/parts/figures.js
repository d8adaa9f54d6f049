// The Plotly figures of a page: each is drawn once its place comes near to what is seen.
window.tripletvizFigures = (() => {
  const LINE = 21, ABOVE_ONE = 14, ABOVE_MORE = 25, SIDE = 10; // of a title, as in figures.py
  const drawn = new Map();
  const pen = document.createElement("canvas").getContext("2d");

  function draw(place) {
    if (!drawn.has(place)) drawn.set(place, load().then((Plotly) => plot(Plotly, place)));
    return drawn.get(place);
  }

  // By require.js, which is on the page for the widgets; under it Plotly sets no global name.
  const load = () => new Promise((done, failed) => {
    if (window.Plotly) done(window.Plotly);
    else require(["plotly"], (Plotly) => done(Plotly ?? window.Plotly), failed);
  });

  async function plot(Plotly, place) {
    const { data, layout, frames, config } = JSON.parse(place.querySelector("script").textContent);
    const figure = document.createElement("div");
    place.append(figure);
    await Plotly.newPlot(figure, {
      data,
      layout: { ...layout, ...titled(layout, figure.clientWidth) },
      frames,
      config: { responsive: true, displaylogo: false, ...config },
    });
    let width = figure.clientWidth;
    const fitted = () => titled(layout, figure.clientWidth);
    const resize = (height = fitted().height) => {
      width = figure.clientWidth;
      return Plotly.relayout(figure, { ...fitted(), height, autosize: true });
    };
    window.addEventListener("resize", () => {
      if (figure.clientWidth && figure.clientWidth !== width) resize();
    });
    return { figure, height: () => fitted().height, resize };
  }

  // What of a layout changes so that its title has as few lines as `width` allows: it was stored
  // with the lines that a narrow notebook needs.
  function titled({ title, margin, font, height = 450 }, width) {
    if (title?.xref !== "container" || !width) return { height };
    pen.font = `${title.font.weight} ${title.font.size}px ${font.family}`;
    const lines = evenly(title.text.split(/<br>|\s+/), width - 2 * SIDE);
    const more = LINE * (lines.length - title.text.split("<br>").length);
    const above = lines.length > 1 ? ABOVE_MORE : ABOVE_ONE;
    return {
      title: { ...title, text: lines.join("<br>"), pad: { ...title.pad, t: above } },
      margin: { ...margin, t: margin.t + more },
      height: height + more,
    };
  }

  // As few lines as the width allows, and no word left alone on the last one.
  function evenly(words, width) {
    const { length } = filled(words, width);
    let [narrow, wide] = [0, width];
    while (wide - narrow > 1) {
      const middle = (narrow + wide) / 2;
      const lines = filled(words, middle);
      const fits = lines.length <= length && lines.every((line) => widthOf(line) <= middle);
      [narrow, wide] = fits ? [narrow, middle] : [middle, wide];
    }
    return filled(words, wide);
  }

  const widthOf = (text) => pen.measureText(text.replace(/<[^>]*>/g, "")).width;

  function filled(words, width) {
    const lines = [];
    for (const word of words) {
      const longer = `${lines.at(-1)} ${word}`;
      if (lines.length && widthOf(longer) <= width) lines[lines.length - 1] = longer;
      else lines.push(word);
    }
    return lines;
  }

  document.addEventListener("DOMContentLoaded", () => {
    const observer = new IntersectionObserver((entries) => {
      for (const { isIntersecting, target } of entries) {
        if (!isIntersecting) continue;
        observer.unobserve(target);
        draw(target);
      }
    }, { rootMargin: "600px" });
    for (const place of document.querySelectorAll(".tripletviz-plot")) observer.observe(place);
  });

  return { draw };
})();
