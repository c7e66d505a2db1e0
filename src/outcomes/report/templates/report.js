"use strict";
// Opens what a link points into, and offers a filter over the results. The page reads
// well without it.
(function () {
  function reveal() {
    var id = decodeURIComponent(window.location.hash.slice(1));
    var target = id && document.getElementById(id);
    if (!target) { return; }
    var hidden = target.closest("tr[hidden]");
    if (hidden) { hidden.hidden = false; }
    for (var node = target.parentElement; node; node = node.parentElement) {
      if (node.tagName === "DETAILS") { node.open = true; }
    }
    target.scrollIntoView({ block: "center" });
  }
  function filterBox() {
    var place = document.getElementById("filter");
    if (!place) { return; }
    var label = document.createElement("label");
    label.textContent = "Show only results whose id contains ";
    var box = document.createElement("input");
    box.type = "search";
    label.appendChild(box);
    place.appendChild(label);
    var rows = document.querySelectorAll("#results tbody tr");
    box.addEventListener("input", function () {
      var wanted = box.value.trim().toLowerCase();
      rows.forEach(function (row) {
        row.hidden = wanted !== "" && row.id.toLowerCase().indexOf(wanted) < 0;
      });
      document.querySelectorAll("#results details").forEach(function (part) {
        if (wanted !== "") { part.open = part.querySelector("tbody tr:not([hidden])") !== null; }
      });
    });
  }
  var opened = [];
  window.addEventListener("beforeprint", function () {
    document.querySelectorAll("details.numbers:not(.long):not([open])").forEach(function (part) {
      part.open = true;
      opened.push(part);
    });
  });
  window.addEventListener("afterprint", function () {
    opened.splice(0).forEach(function (part) { part.open = false; });
  });
  window.addEventListener("hashchange", reveal);
  filterBox();
  reveal();
}());
