# %% [markdown] lang="es"
# # FeatCAE: un autocodificador sobre capas congeladas
# Aprende a comprimir las características de una red congelada; lo que no sabe devolver es el defecto. La red es EfficientNet-Lite0, que viene
# con el paquete; con `BACKBONE = ["model.backbone=resnet50", "model.weights=hub"]` es la ResNet-50 del trabajo original.

# %% [markdown] lang="en"
# # FeatCAE: an autoencoder over frozen layers
# It learns to compress the features of a frozen net; what it cannot give back is the flaw. The net is EfficientNet-Lite0, which comes
# with the package; with `BACKBONE = ["model.backbone=resnet50", "model.weights=hub"]` it is the original's ResNet-50.

# %%
LANGUAGE = "es"
DATA = None  # a folder with train/good, test/good, test/bad (OK and KO)
BACKBONE = ["model.backbone=tf_efficientnet_lite0", "model.weights=packaged"]
LAYERS = ["[2]", "[3]", "[2,3]"]  # any combination
EPOCHS, SIZE, LATENT = 3, 96, 16

# %%
import shutil
from pathlib import Path

from IPython.display import Markdown, display

from tacha.data.sample_set import write_sample_set
from tacha.notebook import best, rows, show, table, tacha, trained

if DATA is None:  # the sample set as OK and KO folders
    sample, DATA = write_sample_set("out/sample") / "brick", Path("out/parts")
    shutil.copytree(sample / "train" / "good", DATA / "train" / "good", dirs_exist_ok=True)
    for folder in (sample / "test").iterdir():
        target = DATA / "test" / ("good" if folder.name == "good" else "bad")
        for path in folder.iterdir():
            target.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target / f"{folder.name}_{path.name}")

# %% [markdown] lang="es"
# ## Entrenar cada combinación de capas
# El umbral es adaptativo: media más k desviaciones de las puntuaciones de imágenes buenas apartadas.

# %% [markdown] lang="en"
# ## Train each combination of layers
# The threshold is adaptive: mean plus k deviations of the scores of held-out good images.

# %%
common = ["experiment=featcae", f"data.root={DATA}", f"data.size={SIZE}", f"model.latent={LATENT}", *BACKBONE]
common += [f"trainer.max_epochs={EPOCHS}", f"report.language={LANGUAGE}"]
runs = [trained(f"out/layers_{layers.strip('[]')}", *common, f"model.layers={layers}") for layers in LAYERS]
found = rows(*runs)
table(found)

# %%
means = best(found)
values = found[(found["metric"] == "image_auroc") & (found["run"] == means.index[0][0])].iloc[0]
display(Markdown(f"**{means.index[0][0]}**: AUROC {values['value']:.3f} [{values['low']:.3f}–{values['high']:.3f}]"))
chosen = Path("out") / means.index[0][0]

# %% [markdown] lang="es"
# ## Curvas de entrenamiento y errores
# %% [markdown] lang="en"
# ## Training curves and errors
# %%
show(chosen / "figures" / "curves.png", "training and validation loss by epoch")
# %%
show(sorted((chosen / "figures").glob("errors_*.png")), "histogram of errors, good and flawed")

# %% [markdown] lang="es"
# ## Mapas de calor
# El peor fallo, la peor falsa alarma y el hallazgo más claro que dejó la corrida.
# %% [markdown] lang="en"
# ## Heat maps
# The worst miss, the worst false alarm and the clearest find that the run left.
# %%
show(sorted((chosen / "figures").glob("gallery_*_0.png")), "image, heat map and mask")

# %% [markdown] lang="es"
# ## Adónde va el tiempo
# `torch.profiler` sobre cada etapa; todo queda en CSV.
# %% [markdown] lang="en"
# ## Where the time goes
# `torch.profiler` over each stage; all of it is kept as CSV.
# %%
artefact = next(chosen.glob("*.tacha"))
image = sorted((Path(DATA) / "test" / "good").iterdir())[0]
tacha(f"profile '{artefact}' '{image}' --rounds 2 --out out/profile --language {LANGUAGE}")

# %%
import pandas as pd

operators = pd.read_csv("out/profile/operators.csv")
operators.head(8)
