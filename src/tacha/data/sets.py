"""Public inspection sets that can be fetched: where they lie, under which licence, how large, how they are checked.

Addresses, sizes and checksums were taken from their publishers' pages and from independent records of the same files;
a share link can go stale, a checksum cannot: whatever comes from elsewhere (`--mirror`) is held against it.
"""

from __future__ import annotations

from dataclasses import dataclass

from tacha.errors import TachaError

MB = 1_000_000
_SHARES = "https://www.mydrive.ch/shares"
_BY_NC_SA = "CC BY-NC-SA 4.0: no commercial use"
_MVTEC = "https://www.mvtec.com/company/research/datasets/mvtec-ad"


@dataclass(frozen=True)
class DataSet:
    """One set. `size` is the archive's, in bytes, about; `page` is where a person finds it. `url` is None where only
    the page is known, `sha256` where the publisher's archive has none that stays. `arrangement` makes it a layout that
    tacha reads; `use` is what to train with then."""

    name: str
    title: str
    licence: str
    page: str
    size: int
    url: str | None
    sha256: str | None
    cite: str
    use: str
    arrangement: str = ""
    kaggle: str = ""

    @property
    def archive(self) -> str:
        """The archive's file name."""
        return self.url.rsplit("/", 1)[-1] if self.url else f"{self.name.replace('/', '_')}.archive"


# name: (share, MB, SHA-256)
_CATEGORIES = {
    "bottle": (
        "150452/132a93367fb17cdf968dfb5c4013f6e7/download/420937370-1629958698",
        156,
        "726512129cb3b1f47d4f6cd7c7fc9170db7fc209132249c788fec06029cb5dc3",
    ),
    "cable": (
        "150453/10f960e07fec2838b2cd512586633a32/download/420937413-1629958794",
        505,
        "1e3d59b80a6a8da5adf32fb0cf311c7b964cde146d6920aef9ca66380999a9cd",
    ),
    "capsule": (
        "150454/e0ce6dd74eb150f46c0d98131b3703f2/download/420937454-1629958872",
        404,
        "f6a41cb11f1589d552888fe9c43a1adcbcae15b70073e19093322f836d00a2b6",
    ),
    "carpet": (
        "150455/eac7fbce84d93a5094e13f391170eca4/download/420937484-1629959013",
        740,
        "d9dd5064515a20bd75cf24d223c570579141abd72388beef892780b74dbaa85d",
    ),
    "grid": (
        "150456/bb0b2e3dc804ccb8b4485e01f8e4493b/download/420937487-1629959044",
        161,
        "d94a9a651cbfaee22c94d06cf8fa8204a590c872362de0489eb34f1645328de8",
    ),
    "hazelnut": (
        "150457/51d49f65e84bdc100ff8035d7dd783ea/download/420937545-1629959162",
        617,
        "a7f4e7d65a60a235def7236a46fcb854d62e6c6917c16b1ec9cb4ff089d3b0da",
    ),
    "leather": (
        "150458/923030ce14e10a7d147e95d0f8885f6b/download/420937607-1629959262",
        525,
        "704ffa48b1dc2fc44824aa50442d9febc399dd92a5d6fd8156f8aa0373d15f24",
    ),
    "metal_nut": (
        "150459/c68856a21dca589b0f8ff6d4ee0f18f4/download/420937637-1629959294",
        165,
        "86e3c8e163ceb19146ad3ddc408e85cc34ae02e0da430e07a73bac6bbb48532a",
    ),
    "pill": (
        "150460/d4f1c04da67034ccc8d8b5fa3e73f244/download/420938129-1629960351",
        275,
        "ac6ce9ec4ec2a5d67c906d82147bd7431980cf00b78f25d63201a5f17e3a2038",
    ),
    "screw": (
        "150461/242f454cc6385e5693c4fd4b94567d1e/download/420938130-1629960389",
        195,
        "0a27a365a21e472d19b9fb48cb8e4002b49fabe083bff7f4c16fa57d78154f10",
    ),
    "tile": (
        "150462/5479f0fdc97bc6fa16eab0cb0cf0109f/download/420938133-1629960456",
        352,
        "392228153b96d0db9f179d3f7c2d63e131e907154883b57309fcbf798643173c",
    ),
    "toothbrush": (
        "150463/895a1a5fb84b958f07417784b060434b/download/420938134-1629960477",
        109,
        "fe72a34b4b0d074f84e844be7ef8c4f64f7f02f20e25f19c9e3b4a231c8bea77",
    ),
    "transistor": (
        "150464/99b8ea0332438d64fcc2475ee73f9c29/download/420938166-1629960554",
        403,
        "146b2166c35a1d0cf37ded091366ac01a50338b4ac704632f1239890eaca4449",
    ),
    "wood": (
        "150465/d5b4115b720cdb54d217e75636e6e374/download/420938383-1629960649",
        497,
        "3757297ac2a266072eb4f25a97f805f5b37fd583492b20bd709f310736c1ea47",
    ),
    "zipper": (
        "150466/bd155b557520edaf692d9bfdb915c24a/download/420938385-1629960680",
        159,
        "7ab46e0e195da145db30052baea3d3a5d14c5f0e710137c968e0423f02cb942d",
    ),
}

_MVTEC_CITE = "Bergmann, Fauser, Sattlegger, Steger: MVTec AD, CVPR 2019"

_SETS = (
    DataSet(
        "mvtec_ad",
        "MVTec AD: 15 categories, 5,354 images, masks",
        _BY_NC_SA,
        f"{_MVTEC}/downloads",
        5265 * MB,
        f"{_SHARES}/150996/b52ecdcbf521176e9db9c731f2304b27/download/420938113-1629960298/mvtec_anomaly_detection.tar.xz",
        "cf4313b13603bec67abb49ca959488f7eedce2a9f7795ec54446c649ac98cd3d",
        _MVTEC_CITE,
        "data=mvtec",
    ),
    *(
        DataSet(
            f"mvtec_ad/{name}",
            f"MVTec AD, {name} alone",
            _BY_NC_SA,
            f"{_MVTEC}/downloads",
            size * MB,
            f"{_SHARES}/{share}/{name}.tar.xz",
            digest,
            _MVTEC_CITE,
            "data=mvtec",
            "only_folder",
        )
        for name, (share, size, digest) in _CATEGORIES.items()
    ),
    DataSet(
        "mvtec_loco",
        "MVTec LOCO AD: 5 categories, logical and structural anomalies, 3,651 images, masks",
        _BY_NC_SA,
        "https://www.mvtec.com/company/research/datasets/mvtec-loco/downloads",
        6127 * MB,
        f"{_SHARES}/48237/1b9106ccdfbb09a0c414bd49fe44a14a/download/430647091-1646842701/mvtec_loco_anomaly_detection.tar.xz",
        "9e7c84dba550fd2e59d8e9e231c929c45ba737b6b6a6d3814100f54d63aae687",
        "Bergmann, Batzner, Fauser, Sattlegger, Steger: Beyond Dents and Scratches, IJCV 2022",
        "data=mvtec",
        "mvtec_loco",
    ),
    DataSet(
        "visa",
        "VisA: 12 categories, 10,821 images, masks",
        "CC BY 4.0",
        "https://github.com/amazon-science/spot-diff",
        1930 * MB,
        "https://amazon-visual-anomaly.s3.us-west-2.amazonaws.com/VisA_20220922.tar",
        "2eb8690c803ab37de0324772964100169ec8ba1fa3f7e94291c9ca673f40f362",
        "Zou, Jeong, Pemula, Zhang, Dabeer: SPot-the-Difference, ECCV 2022",
        "data=csv",
        "visa",
    ),
    DataSet(
        "btad",
        "beanTech AD: 3 products, 2,540 images, masks",
        "CC BY-SA, as the readme in the archive says",
        "https://avires.dimi.uniud.it/papers/btad/btad.zip",
        1229 * MB,
        "https://avires.dimi.uniud.it/papers/btad/btad.zip",
        "461c9387e515bfed41ecaae07c50cf6b10def647b36c9e31d239ab2736b10d2a",
        "Mishra, Verk, Fornasier, Piciarelli, Foresti: VT-ADL, ISIE 2021",
        "data=mvtec",
        "only_folder",
    ),
    DataSet(
        "magnetic_tile",
        "Magnetic tile surface defects: 1,344 images, 5 kinds of defect, masks",
        "no licence is stated; its authors write that it is welcome to be used, and ask to be cited",
        "https://github.com/abin24/Magnetic-tile-defect-datasets.",
        51 * MB,
        "https://codeload.github.com/abin24/Magnetic-tile-defect-datasets./zip/refs/heads/master",
        None,  # the archive is made anew at each request
        "Huang, Qiu, Yuan: Surface defect saliency of magnetic tile, The Visual Computer 2020",
        "data=mvtec",
        "magnetic_tile",
    ),
    DataSet(
        "leather_defects",
        "Leather defect classification: 3,600 images, 5 kinds of defect and faultless ones",
        "as its page says; it was not looked up",
        "https://www.kaggle.com/datasets/praveen2084/leather-defect-classification",
        0,
        None,
        None,
        "Moganam, Sathia Seelan: Perceptron Neural Network Based Machine Learning Approaches for Leather Defect "
        "Detection and Classification, I2M 2020",
        "data=classes data.good_class=NAME",
        "only_folder",
        "praveen2084/leather-defect-classification",
    ),
)
SETS = {s.name: s for s in _SETS}


def data_set(name: str) -> DataSet:
    """The set of that name. Raises TachaError with the names there are."""
    if name not in SETS:
        whole = ", ".join(n for n in SETS if "/" not in n)
        raise TachaError(
            f"{name}: no such set; there are {whole}, and categories such as mvtec_ad/screw "
            "(`tacha data download --list`)"
        )
    return SETS[name]
