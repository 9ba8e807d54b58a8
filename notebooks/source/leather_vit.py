# %% [markdown] lang="es"
# # Leather ViT: un clasificador de tipos de defecto como detector de anomalías
# Un ViT aprende a nombrar tipos de defecto; se usa como detector por el coseno de sus representaciones, por su confianza y por ambos. Al usar imágenes
# defectuosas para aprender, lo aprendido sale de toda prueba.

# %% [markdown] lang="en"
# # Leather ViT: a classifier of kinds of flaw as an anomaly detector
# A ViT learns to name kinds of flaw; it is used as a detector by the cosine of its embeddings, by its confidence and by both. As it learns
# from flawed images, what was learned from is left out of every test.

# %%
LANGUAGE = "es"
DATA = None  # class folders, one of them good: tacha data download leather_defects
NET = ["model.backbone=vit_tiny_patch16_224", "model.weights=none"]  # [] for the pretrained ViT-B/16
EPOCHS, SIZE = 2, 64  # 15, 224

# %%
import shutil
from pathlib import Path

from IPython.display import Markdown, display

from tacha.data.sample_set import write_sample_set
from tacha.notebook import rows, show, table, tacha, trained

if DATA is None:  # the sample set as class folders
    sample, DATA = write_sample_set("out/sample") / "brick", Path("out/classes")
    for folder in [sample / "train" / "good", *(sample / "test").iterdir()]:
        for path in folder.iterdir():
            target = DATA / folder.name
            target.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target / f"{folder.parent.name}_{path.name}")

# %% [markdown] lang="es"
# ## Explorar los datos
# %% [markdown] lang="en"
# ## Explore the data
# %%
tacha(f"data check '{DATA}' --page out/data.html --language {LANGUAGE}", most=1)

# %% [markdown] lang="es"
# ## Entrenar
# Las curvas quedan también para TensorBoard: `tensorboard --logdir out/vit`.
# %% [markdown] lang="en"
# ## Train
# The curves are kept for TensorBoard too: `tensorboard --logdir out/vit`.
# %%
run = trained(
    "out/vit",
    "experiment=leather_vit",
    f"data.root={DATA}",
    f"data.size={SIZE}",
    f"trainer.max_epochs={EPOCHS}",
    f"report.language={LANGUAGE}",
    *NET,
)
events = sorted(run.rglob("events.out.tfevents.*"))
display(Markdown(f"TensorBoard: {len(events)}"))
show(sorted((run / "figures").glob("curves*.png")), "training and validation loss by epoch")
# %%
show(sorted(run.glob("nets/*/figures/confusion.png")), "confusion matrix: which classes are taken for which", 480)

# %% [markdown] lang="es"
# ## Tres puntuaciones
# %% [markdown] lang="en"
# ## Three scores
# %%
found = rows(run)
table(found[found["scorer"].notna()])
# %%
accuracy = found[found["metric"] == "test_accuracy"].iloc[0]
display(
    Markdown(
        f"test_accuracy: {accuracy['value']:.3f} [{accuracy['low']:.3f}–{accuracy['high']:.3f}], n = {accuracy['n']}"
    )
)
show(sorted((run / "figures").glob("roc*.png")), "ROC curves of the scorers")

# %% [markdown] lang="es"
# ## Dónde mira y qué señala
# %% [markdown] lang="en"
# ## Where it looks and what it points at
# %%
show(sorted((run / "figures").glob("attention*.png"))[:1], "images and where the net looks")
# %%
maps = next(run.glob("*.memory_bank.tacha"))
flawed = next(folder for folder in sorted(Path(DATA).iterdir()) if folder.name != "good")
tacha(f"inspect '{maps}' '{flawed}' --overlays out/seen --quiet")
show(sorted(Path("out/seen").glob("*.png"))[:2], "image and heat map")
