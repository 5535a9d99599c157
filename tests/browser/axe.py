"""axe-core in a page, which measures each combination of colours once.

Whether a text can be read depends on its colour, size and weight, and on the grounds behind it. Most texts of a page have
what axe has passed before, on this page or another; to measure them again would be half of what axe has to do.
"""

from pathlib import Path

from playwright.sync_api import Page

AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text()
OF_COLOURS = ["color-contrast", "link-in-text-block"]
OF_WIDTH = ["scrollable-region-focusable", "target-size"]
passed: set[str] = set()
"""The combinations that axe has passed in this process."""

SAY = """
const said = (result) => result.violations
    .filter((one) => ["serious", "critical"].includes(one.impact))
    .flatMap((one) => one.nodes.map((node) =>
        `${one.id}: ${node.html.slice(0, 150)} ${(node.failureSummary ?? "").slice(0, 200)}`));
const options = {preload: false, iframes: false, selectors: false, resultTypes: ["violations"]};
"""
STRUCTURE = (
    """([rules, colours]) => {"""
    + SAY
    + """
    if (rules) {
        options.runOnly = {type: "rule", values: rules};
    } else {
        const slight = axe._audit.rules.filter((rule) => ["minor", "moderate"].includes(rule.impact));
        const left = [...slight.map((rule) => rule.id), ...colours];
        options.rules = Object.fromEntries(left.map((id) => [id, {enabled: false}]));
    }
    return axe.run(document, options).then(said);
}"""
)
"""Without those rules whose faults are never serious: nobody reads what they find."""
COMBINATIONS = """() => {
    const grounds = new Map(), found = {};
    const none = {ground: "", veil: "", elsewhere: false};
    const ground = (one) => {
        if (!one) return none;
        if (!grounds.has(one)) {
            const behind = ground(one.parentElement), style = getComputedStyle(one);
            const veil = style.opacity === "1" && style.filter === "none" && style.mixBlendMode === "normal"
                ? behind.veil : `${behind.veil} ${style.opacity} ${style.filter} ${style.mixBlendMode}`;
            const colour = style.backgroundColor, image = style.backgroundImage;
            if (colour.startsWith("rgb(") && image === "none") {
                grounds.set(one, {ground: colour, veil, elsewhere: false});
            } else {
                const clear = colour === "rgba(0, 0, 0, 0)" && image === "none";
                grounds.set(one, {
                    ground: clear ? behind.ground : `${behind.ground} ${colour} ${image}`,
                    veil,
                    elsewhere: behind.elsewhere || !["static", "relative", "sticky"].includes(style.position),
                });
            }
        }
        return grounds.get(one);
    };
    const boxes = "[type=hidden], [type=checkbox], [type=radio], [type=file], [type=range], [type=color]";
    const texts = new Set(document.querySelectorAll(`input:not(${boxes}), select, textarea`));
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode())
        if (walker.currentNode.data.trim()) texts.add(walker.currentNode.parentElement);
    const looks = (one) => {
        const style = getComputedStyle(one), on = ground(one);
        return [on.ground, on.veil, style.color, style.fontSize, style.fontWeight, style.textShadow].join("|");
    };
    const seen = (one) => {
        const box = one.getBoundingClientRect();
        return box.right > 0 && box.bottom + scrollY > 0 && box.width > 1 && box.height > 1
            && one.checkVisibility({opacityProperty: true, visibilityProperty: true});
    };
    for (const one of texts)
        if (!one.disabled && seen(one))
            (found[`${ground(one).elsewhere ? "?" : ""}${looks(one)}`] ??= []).push(one);
    for (const link of document.querySelectorAll("a[href]")) {
        const style = getComputedStyle(link);
        if (style.display !== "inline" || !link.textContent.trim() || !seen(link)) continue;
        let block = link.parentElement;
        while (getComputedStyle(block).display === "inline") block = block.parentElement;
        if (block.textContent.trim() === link.textContent.trim()) continue;
        const line = `${style.textDecorationLine} ${style.borderBottom} ${style.outline}`;
        (found[`link ${looks(link)} ${line} in ${looks(block)}`] ??= []).push(link);
    }
    globalThis.combinations = found;
    return Object.keys(found);
}"""
"""The texts of the page by what axe's verdict on their colours depends on; "?" where that may be what lies elsewhere."""
COLOURS = (
    """([names, colours]) => {"""
    + SAY
    + """
    const include = names.flatMap((name) => combinations[name]);
    const asked = {
        ...options, elementRef: true, resultTypes: ["violations", "passes"],
        runOnly: {type: "rule", values: colours},
    };
    return axe.run({include}, asked).then((result) => {
        const of = (all, id) =>
            new Set(all.filter((one) => one.id === id).flatMap((one) => one.nodes.map((node) => node.element)));
        const passed = (name) => {
            const rule = colours[Number(name.startsWith("link "))];
            const good = of(result.passes, rule), bad = of(result.violations, rule);
            return combinations[name].some((one) => good.has(one)) && !combinations[name].some((one) => bad.has(one));
        };
        return [said(result), names.filter((name) => !name.startsWith("?") && passed(name))];
    });
}"""
)


def faults(page: Page, rules: list[str] | None = None) -> list[str]:
    """Serious and critical ones, each with the element that has it: of colours, and by these rules (None: all)."""
    found: list[str] = [] if rules == [] else page.evaluate(STRUCTURE, [rules, OF_COLOURS])
    if new := [name for name in page.evaluate(COMBINATIONS) if name not in passed]:
        of_colours, good = page.evaluate(COLOURS, [new, OF_COLOURS])
        found += of_colours
        passed.update(good)
    return found
