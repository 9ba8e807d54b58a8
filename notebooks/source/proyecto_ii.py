# %% [markdown] lang="es"
# # Proyecto II: tres modelos, una comparación, cuantización y DBSCAN
# A: ResNet-18 hasta conv3_x desde cero. B: la misma, destilada de una ResNet-18. C: un autocodificador U-Net. Solo imágenes buenas en el entrenamiento; las
# representaciones se juzgan por Mahalanobis, Euclídea o error de reconstrucción, con un umbral fijado en imágenes buenas apartadas.

# %% [markdown] lang="en"
# # Proyecto II: three models, one comparison, quantisation and DBSCAN
# A: ResNet-18 to conv3_x from scratch. B: the same, distilled from a ResNet-18. C: a U-Net autoencoder. Good images only in training;
# embeddings are judged by Mahalanobis, Euclidean or reconstruction error, with a threshold set on held-out good images.

# %%
LANGUAGE = "es"
DATA = None  # MVTec AD's folder
CATEGORIES, SIZE, EPOCHS = "[brick,grass]", 64, 2  # null for the ten of the project, 224, 50
BEST, BUDGET = 3, 5  # how many are quantised; AUROC points on drawn flaws that int8 may cost
MODELS = {"A": ["model=cnn"], "B": ["model=cnn_distilled"], "C": ["model=unet", "model.width=8"]}

# %%
from pathlib import Path

from IPython.display import Markdown, display

from tacha.data.sample_set import write_sample_set
from tacha.notebook import best, rows, show, table, tacha, trained

DATA = DATA or write_sample_set("out/sample")
common = ["experiment=proyecto_ii", f"data.root={DATA}", f"data.size={SIZE}", f"trainer.max_epochs={EPOCHS}"]
common += [f"data.categories={CATEGORIES}"] if CATEGORIES != "null" else []
common += [f"report.language={LANGUAGE}", "evaluation.gallery=1", "evaluation.pixels=false"]

# %% [markdown] lang="es"
# ## Entrenar y comparar
# %% [markdown] lang="en"
# ## Train and compare
# %%
runs = [trained(f"out/{name}", *common, *settings) for name, settings in MODELS.items()]
found = rows(*runs)
table(found)

# %%
table(found, "balanced_accuracy")

# %% [markdown] lang="es"
# ## Los mejores, cuantizados
# `compress` escribe una variante int8 de cada detector y la comprueba; `compare --bench` mide latencia, tamaño y exactitud por turnos, en las imágenes de prueba de las propias corridas.
# %% [markdown] lang="en"
# ## The best, quantised
# `compress` writes an int8 variant of each detector and checks it; `compare --bench` measures latency, size and accuracy in turns, on the runs' own test images.
# %%
leaders = best(found).head(BEST)
leaders.to_frame("AUROC")
# %%
judged = found[found["metric"] == "image_auroc"]
own = judged.groupby("run")["scorer"].first()  # the run's main scorer, whose artefact has the bare name
for run, scorer in leaders.index:
    label = "" if scorer == own[run] else f".{scorer}"
    for category in sorted(set(judged["category"])):
        tacha(f"compress 'out/{run}/{category}{label}.tacha' --kinds int8 --quantiser onnxruntime --budget {BUDGET}")
# %%
options = "--engines onnxruntime --count 4 --rounds 1 --threads 1"  # "" to measure every engine well
tacha(f"compare {' '.join(map(str, runs))} --out out/compare --bench {BEST} {options} --language {LANGUAGE}")
# %%
show(sorted(Path("out/compare/bench").rglob("*.png"))[:1], "accuracy against latency")

# %% [markdown] lang="es"
# ## DBSCAN con PCA y t-SNE
# El agrupamiento no ve etiquetas; los puntos de ruido se leen como defectuosos, junto a lo que logra el propio detector.
# %% [markdown] lang="en"
# ## DBSCAN with PCA and t-SNE
# The clustering sees no labels; noise points are read as flawed, beside what the detector itself achieves.
# %%
tacha(
    f"cluster out/A/{sorted(set(judged['category']))[0]}.tacha --data '{DATA}' --out out/clusters --language {LANGUAGE}"
)
# %%
import json

import pandas as pd

figures = pd.DataFrame(json.loads(Path("out/clusters/clusters.json").read_text())["rows"])
figures.pivot(index="metric", columns="plane", values="value").round(3)
# %%
auroc = figures[figures["metric"] == "image_auroc"].set_index("plane")
said = "; ".join(f"{p}: {r['value']:.3f} [{r['low']:.3f}–{r['high']:.3f}]" for p, r in auroc.iterrows())
display(Markdown(f"AUROC: {said}"))
show(sorted(Path("out/clusters/figures").glob("*_truth.svg")), "embeddings in a plane, coloured by truth", 420)

# %% [markdown] lang="es"
# ## El informe
# %% [markdown] lang="en"
# ## The report
# %%
tacha(f"report {' '.join(map(str, runs))} --out out/report --format html,md --language {LANGUAGE}")
