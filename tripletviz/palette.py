"""The one visual language of figures and widgets: classes, roles in a triplet, difficulty.

The colours come from a search: any two of them lie at least 0.10 apart in OKLab, for full colour
vision and for simulated protanopia, deuteranopia and tritanopia (matrices of Machado, Oliveira
and Fernandes, *A physiologically-based model for simulation of color vision deficiency*, 2009),
and each keeps a contrast of at least 2.2 with white and with JupyterLab's dark background.
Digits that a network mixes up (3 and 5, 4 and 9, 7 and 9) got colours far apart. Colour never
stands alone: every class also has its own label or marker shape.
"""

CLASS_COLORS = (
    "#0044dd",  # 0 blue
    "#ee4400",  # 1 vermilion
    "#00bbee",  # 2 sky blue
    "#aa0000",  # 3 dark red
    "#ccaa00",  # 4 gold
    "#8877ff",  # 5 lavender
    "#ff77aa",  # 6 pink
    "#555555",  # 7 dark grey
    "#aa6688",  # 8 mauve
    "#882299",  # 9 purple
)

ROLE_COLORS = {"anchor": None, "positive": "#0072b2", "negative": "#d55e00"}
"""Colours of a triplet's three; the anchor has the colour of the text around it.

Their shapes: the anchor is a diamond, the positive a circle, the negative a square. What is right
has the positive's colour, what is wrong the negative's.
"""

CATEGORY_COLORS = {"easy": "#7f8c8d", "semi-hard": "#b8860b", "hard": "#9b30a0"}
"""Colours of the three kinds of triplets, always beside their names."""
