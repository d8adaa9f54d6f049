// The list of a page's sections, beside its text where there is room.
document.addEventListener("DOMContentLoaded", () => {
  const sections = [...document.querySelectorAll(".jp-RenderedMarkdown h2[id]")];
  const list = document.querySelector(".contents ol");
  if (!list || sections.length < 3) return;
  for (const section of sections) {
    const link = document.createElement("a");
    link.href = `#${encodeURIComponent(section.id)}`;
    link.textContent = section.firstChild.textContent.replace(/^\d+\.\s*/, "");
    const item = document.createElement("li");
    item.append(link);
    list.append(item);
  }
  list.parentElement.hidden = false;
});
