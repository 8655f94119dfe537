"use strict";
(async () => {
  const root = document.documentElement;
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const plots = Object.keys(figures).map((id) => document.getElementById(id));
  const NARROW = 480; // CSS pixels; a phone
  const PAPER_WIDTH = 680; // CSS pixels that fit an A4 or Letter page

  async function loadPlotly() {
    const packed = atob(document.getElementById("plotly").textContent);
    const bytes = Uint8Array.from(packed, (character) => character.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    const text = await new Response(stream).blob();
    const address = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
    await new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.onload = resolve;
      script.onerror = reject;
      script.src = address;
      document.head.append(script);
    });
    URL.revokeObjectURL(address);
  }

  // Drawn afresh each time: a changed Sankey diagram would be caught by the printer in the middle of its transition.
  function draw(plot, size) {
    const { data, layout } = structuredClone(figures[plot.id]);
    if (plot.clientWidth < NARROW) {
      layout.font.size = 11;
      for (const { node } of data.filter((trace) => trace.type === "sankey")) {
        node.label = node.label.map((text) => text.replace(/ (?=[\d,]+$)/, "<br>")); // labels of columns would overlap
      }
    }
    Plotly.purge(plot);
    return Plotly.newPlot(plot, data, { ...layout, ...size }, { displayModeBar: false, responsive: true });
  }

  function giveUp() {
    for (const plot of plots) {
      plot.style.height = "auto";
      plot.textContent = "This browser cannot draw the plot; the numbers are in the table below.";
    }
    document.querySelectorAll("details.numbers").forEach((details) => (details.open = true));
  }

  function preparePrint() {
    let opened = [];
    window.addEventListener("beforeprint", () => {
      opened = [...document.querySelectorAll("details:not([open])")];
      opened.forEach((details) => (details.open = true));
      plots.forEach((plot) => draw(plot, { width: PAPER_WIDTH }));
    });
    window.addEventListener("afterprint", () => {
      opened.forEach((details) => (details.open = false));
      plots.forEach((plot) => draw(plot, {}));
    });
  }

  try {
    if (plots.length) {
      await loadPlotly();
      for (const plot of plots) {
        await draw(plot, {});
      }
      preparePrint();
    }
    root.dataset.plots = "drawn";
  } catch (error) {
    giveUp();
    root.dataset.plots = "failed";
    console.error(error);
  }
})();
