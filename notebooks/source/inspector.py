# %% [markdown] lang="es"
# # El camino de la inspectora: entra una carpeta, salen veredictos
# Una carpeta de piezas buenas basta. Aquí es el conjunto de muestra; para usar el suyo, cambie `GOOD` y `NEW`.

# %% [markdown] lang="en"
# # The inspector's path: a folder in, verdicts out
# A folder of good parts is enough. Here it is the sample set; for your own, change `GOOD` and `NEW`.

# %%
LANGUAGE = "es"
GOOD = None  # a folder of good images
NEW = None  # images to judge
OVERRIDES = ["data.size=128", "scorer.size=1000"]  # [] for the settings as they come

# %%
from pathlib import Path

from IPython.display import Markdown, display

from tacha import fit, load
from tacha.data.sample_set import write_sample_set
from tacha.notebook import show, tacha

if GOOD is None:
    sample = write_sample_set("out/sample") / "brick"
    GOOD, NEW = sample / "train" / "good", sample / "test"

# %% [markdown] lang="es"
# ## Mirar antes de aprender
# La página dice qué es inusual entre las imágenes buenas, cuáles se repiten y si el brillo basta para delatar las etiquetas.

# %% [markdown] lang="en"
# ## Look before learning
# The page says what is unusual among the good images, which are repeated, and whether brightness alone gives the labels away.

# %%
tacha(f"data check '{GOOD}' --layout folder --page out/parts.html --language {LANGUAGE}", most=1)

# %% [markdown] lang="es"
# ## Aprender
# Parte de las imágenes buenas se aparta: con ellas se fija el umbral, y de su número depende lo que se puede prometer.

# %% [markdown] lang="en"
# ## Learn
# Some of the good images are held out: they set the threshold, and their number decides what can be promised.

# %%
inspector = fit(GOOD, name="part", overrides=OVERRIDES, run_dir="out/part")
inspector.save("out/part.tacha")
display(Markdown(f"> {inspector.calibration.guarantee()}"))

# %% [markdown] lang="es"
# ## Juzgar
# De cada imagen: veredicto, puntuación, valor p (la proporción de piezas buenas que puntuarían igual de alto) y regiones.

# %% [markdown] lang="en"
# ## Judge
# Of each image: verdict, score, p-value (the share of good parts that would score as high) and regions.

# %%
tacha(f"inspect out/part.tacha '{NEW}' --csv out/verdicts.csv --overlays out/seen --quiet")

# %%
import pandas as pd

verdicts = pd.read_csv("out/verdicts.csv").sort_values("score", ascending=False)
verdicts.head(8)

# %%
counts = verdicts["verdict"].value_counts()
display(Markdown(f"**{len(verdicts)}**: {', '.join(f'{n} {name}' for name, n in counts.items())}."))

# %% [markdown] lang="es"
# Las tres puntuaciones más altas. A la derecha, el mapa de calor: la escala de color es una sola para el producto, de modo que dos imágenes se comparan.

# %% [markdown] lang="en"
# The three highest scores. On the right the heat map: one colour scale for the product, so that two images compare.

# %%
found = [load("out/part.tacha").inspect(path) for path in verdicts["path"].head(3)]
for one in found:
    shares = ", ".join(f"{r.area / (one.size[0] * one.size[1]):.1%}" for r in one.regions)
    display(
        Markdown(f"{Path(one.path).parent.name}/{Path(one.path).name}: {one.verdict}, p = {one.p_value:.3g}; {shares}")
    )
show(sorted(Path("out/seen").rglob("*.png"))[:3], "image and heat map of three parts")
