# %% [markdown] lang="es"
# # Tarea 05: autocodificadores × pérdidas
# Un autocodificador clásico y una U-Net bajo L1, L2, SSIM y SSIM+L1. Lo que W&B registró, sin conexión, se lee de su carpeta y se muestra con notas.

# %% [markdown] lang="en"
# # Tarea 05: autoencoders × losses
# A classical autoencoder and a U-Net under L1, L2, SSIM and SSIM+L1. What W&B logged, offline, is read from its folder and shown with notes.

# %%
LANGUAGE = "es"
DATA = None  # a folder in MVTec AD's layout
CATEGORIES, SIZE = "[brick,grass]", 32  # [cable,capsule,screw,transistor], 128
EPOCHS, WIDTH = 2, 8  # 50, 32
MODELS, LOSSES = ["autoencoder", "unet"], ["l1", "l2", "ssim", "ssim_l1"]

# %%
from pathlib import Path

from IPython.display import Markdown, display

from tacha.data.sample_set import write_sample_set
from tacha.notebook import best, rows, show, table, tacha, trained

DATA = DATA or write_sample_set("out/sample")
common = [
    "experiment=tarea_05",
    "data=mvtec",
    f"data.root={DATA}",
    f"data.categories={CATEGORIES}",
    f"data.size={SIZE}",
]
common += [
    f"trainer.max_epochs={EPOCHS}",
    f"model.width={WIDTH}",
    "evaluation.pixels=false",
    f"report.language={LANGUAGE}",
]

# %%
runs = [
    trained(f"out/{model}_{loss}", *common, f"model={model}", f"model.loss={loss}", "logger=[csv,wandb]")
    for model in MODELS
    for loss in LOSSES
]
found = rows(*runs)
table(found)

# %%
means = best(found)
first, last = means.index[0], means.index[-1]
display(Markdown(f"{first[0]} ({first[1]}): {means.iloc[0]:.3f}; {last[0]} ({last[1]}): {means.iloc[-1]:.3f}"))

# %% [markdown] lang="es"
# ## Lado a lado
# La tabla dice qué intervalos se solapan: una diferencia dentro de ellos no es ninguna.
# %% [markdown] lang="en"
# ## Side by side
# The table says which intervals overlap: a difference within them is none.
# %%
tacha(f"compare {' '.join(str(run) for run in runs)} --out out/compare --language {LANGUAGE}")

# %% [markdown] lang="es"
# ## Curvas
# %% [markdown] lang="en"
# ## Curves
# %%
show(sorted(Path("out/compare/figures").glob("curves*.png")), "training and validation loss of every run")

# %% [markdown] lang="es"
# ## Lo que W&B registró
# W&B guarda cada figura como un archivo en la carpeta de la corrida; `wandb sync` la subiría. Aquí se lee de vuelta: reconstrucciones y t-SNE.
# %% [markdown] lang="en"
# ## What W&B logged
# W&B keeps every figure as a file in the run's folder; `wandb sync` would upload it. Here it is read back: reconstructions and t-SNE.
# %%
kept = Path("out") / first[0]
media = sorted(kept.glob("nets/*/logs/wandb/**/media/images/**/*.png"))
display(Markdown(f"{len(media)} · `{kept.name}`: " + ", ".join(sorted({path.name.split("_")[0] for path in media}))))
show([path for path in media if "reconstruction" in path.name][-1:], "16 validation images and their reconstructions")
# %% [markdown] lang="es"
# **Nota.** Una buena reconstrucción no es una buena detección: una red que copia también los defectos los deja pasar.
# %% [markdown] lang="en"
# **Note.** A good reconstruction is no good detection: a net that copies flaws as well lets them pass.
# %%
show([path for path in media if "tsne" in path.name][-1:], "t-SNE of the validation images' embeddings")
# %% [markdown] lang="es"
# ## Errores por tipo de defecto
# %% [markdown] lang="en"
# ## Errors by kind of flaw
# %%
show(sorted((kept / "figures").glob("errors_*.png")), "histograms of reconstruction errors, good and each kind of flaw")
