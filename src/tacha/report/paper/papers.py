"""What each net and scorer does, in a sentence, and the works it is after."""

from __future__ import annotations

from tacha.words import _

Said = tuple[str, tuple[str, ...]]

NETS: dict[str, Said] = {
    "backbone": (_("a pretrained convolutional net, frozen, seen at several depths"), ("patchcore",)),
    "foundation": (_("a self-supervised vision transformer, frozen, seen after several of its blocks"), ("dinov2",)),
    "autoencoder": (_("a convolutional autoencoder trained to give its image back"), ("hinton",)),
    "vae": (_("a variational autoencoder trained to give its image back"), ("vae",)),
    "unet": (_("a U-Net trained to give its image back"), ("unet",)),
    "featcae": (_("an autoencoder of the features of a frozen net"), ("dfr",)),
    "cnn": (_("the first stages of a ResNet-18, trained to tell classes apart"), ("resnet",)),
    "vit": (_("a vision transformer trained to tell classes apart"), ("vit",)),
    "student": (_("a small net taught to say what a larger detector says"), ("distillation",)),
}
SCORERS: dict[str, Said] = {
    "depth_banks": (
        _("distances to the nearest good rows in several memory banks, one a view of the net's depths"),
        ("patchcore",),
    ),
    "memory_bank": (_("the distance of each place to the nearest good row of a memory bank"), ("patchcore",)),
    "padim": (_("the Mahalanobis distance of each place to a Gaussian of its own"), ("padim",)),
    "mahalanobis": (_("the Mahalanobis distance of the embedding to the good ones"), ("mahalanobis",)),
    "euclidean": (_("the Euclidean distance of the embedding to the mean of the good ones"), ()),
    "cosine": (_("the cosine distance of the embedding to the mean of the good ones"), ()),
    "knn": (_("the mean distance of the embedding to the nearest good ones"), ()),
    "subspace": (_("what the principal components of the good ones leave unexplained"), ("jackson",)),
    "reconstruction": (_("how badly the net gives its input back"), ()),
    "confidence": (_("how little the classifier believes that the image is good"), ("msp",)),
    "hybrid": (_("distance from the good ones and disbelief of the classifier, weighed against each other"), ()),
}
BACKBONES = (("efficientnet", "efficientnet"), ("resnet", "resnet"), ("dinov2", "dinov2"), ("vit_", "vit"))
LOSSES = {"ssim": ("ssim",), "ssim_l1": ("ssim",)}


def works_of(backbone: str) -> tuple[str, ...]:
    """The works behind a timm name that are surely its own."""
    return next(((key,) for part, key in BACKBONES if part in backbone), ())
