// The Plotly figures of a page: each is drawn once its place comes near to what is seen.
window.tripletvizFigures = (() => {
  const drawn = new Map();

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
      data, layout, frames, config: { responsive: true, displaylogo: false, ...config },
    });
    const resize = (height) => Plotly.relayout(figure, { height, autosize: true });
    return { figure, height: layout.height ?? 450, resize };
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
