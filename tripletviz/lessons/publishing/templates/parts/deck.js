// Starts reveal.js, and makes what stands on a slide fit it.
(() => {
  const WIDTH = 1280, HEIGHT = 720, LOWEST = 700, LOWEST_FIGURE = 200;
  // Widgets and figures are made for a page. A lecture hall needs them larger, where there is room.
  const ZOOMS = [1.6, 1.4, 1.3, 1.2, 1.1, 1, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6];
  const MOST_FOR_WIDGETS = 1.4; // their text is then about as large as the slide's
  const fitted = new WeakMap();
  const frames = (count) => new Promise((done) => {
    const step = () => (count-- > 0 ? requestAnimationFrame(step) : done());
    step();
  });

  // How far a slide's contents reach below their room, in the slide's own pixels.
  function excess(slide) {
    const { top, height } = slide.getBoundingClientRect();
    const scale = height / HEIGHT;
    const bottoms = [...slide.children].map((child) => child.getBoundingClientRect().bottom);
    return (Math.max(top, ...bottoms) - top) / scale - LOWEST;
  }

  async function fitFigure(slide, place) {
    const { figure, height, resize } = await window.tripletvizFigures.draw(place);
    let wanted;
    place.style.minHeight = "0";
    figure.style.transformOrigin = "0 0";
    for (const zoom of ZOOMS.filter((each) => each >= 1)) {
      figure.style.width = `${100 / zoom}%`;
      figure.style.transform = `scale(${zoom})`;
      wanted = height(); // narrower, its title may have more lines
      place.style.height = `${wanted * zoom}px`;
      if (excess(slide) <= 0 || zoom === 1) break;
    }
    const over = Math.max(excess(slide), 0);
    place.style.height = `${place.offsetHeight - over}px`;
    await resize(Math.max(LOWEST_FIGURE, Math.floor(wanted - over)));
  }

  // Zoom gives a widget another width too, to which it fits itself, within a frame or two.
  async function fitWidget(slide, place) {
    for (const zoom of ZOOMS.filter((each) => each <= MOST_FOR_WIDGETS)) {
      place.style.zoom = zoom;
      await frames(3);
      if (excess(slide) <= 0) return;
    }
  }

  // A formula does not break: where it is too long, it is set smaller.
  function fitFormula(formula) {
    const part = formula.clientWidth / formula.scrollWidth;
    if (part >= 1) return;
    const size = parseFloat(getComputedStyle(formula).fontSize);
    formula.style.fontSize = `${Math.floor(10 * size * part) / 10}px`;
  }

  async function isThere(place) {
    for (let tries = 0; tries < 800; tries += 1) {
      if (place.querySelector("[class*=tripletviz-], .jupyter-widgets, .widget-html")) break;
      await new Promise((done) => setTimeout(done, 50));
    }
    for (const host of place.querySelectorAll("[class^=tripletviz-]")) {
      host.classList.add("projected"); // it sets its text for a hall (widgets/shared.js)
    }
    await frames(3);
  }

  async function fit(slide) {
    await new Promise((done) => MathJax.Hub.Queue(["Rerender", MathJax.Hub, slide], done));
    for (const formula of slide.querySelectorAll(".MJXc-display")) fitFormula(formula);
    const widgets = [...slide.querySelectorAll(".jupyter-widgets.jp-OutputArea-output")];
    for (const place of widgets) await isThere(place); // figures leave them their room
    for (const place of slide.querySelectorAll(".tripletviz-plot")) await fitFigure(slide, place);
    for (const place of widgets) await fitWidget(slide, place);
  }

  // Resolves when all on the slide that is shown stands where it belongs.
  function settled(slide = Reveal.getCurrentSlide()) {
    if (!fitted.has(slide)) fitted.set(slide, fit(slide));
    return fitted.get(slide);
  }

  window.startDeck = async (plugins) => {
    await Reveal.initialize({
      width: WIDTH,
      height: HEIGHT,
      margin: 0,
      center: false,
      hash: true,
      slideNumber: "c/t",
      transition: "none",
      plugins,
    });
    Reveal.on("slidechanged", () => settled());
    window.deck = { settled };
    await settled();
  };
})();
