(function () {
  "use strict";
  var config = { responsive: true, displaylogo: false, displayModeBar: false };
  function draw(holder) {
    var figure = JSON.parse(holder.querySelector("script").textContent);
    Plotly.newPlot(holder.querySelector(".plot"), figure.data, figure.layout, config);
  }
  document.querySelectorAll(".chart").forEach(draw);
  window.addEventListener("beforeprint", function () {
    document.querySelectorAll(".plot").forEach(function (plot) { Plotly.Plots.resize(plot); });
  });
})();
