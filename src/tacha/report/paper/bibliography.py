"""The works that a report may cite. Only what is cited is printed."""

from __future__ import annotations

REFERENCES = {
    "abnar": "S. Abnar, W. Zuidema. Quantifying Attention Flow in Transformers. ACL, 2020.",
    "clopper": "C. J. Clopper, E. S. Pearson. The Use of Confidence or Fiducial Limits Illustrated in the Case of the "
    "Binomial. Biometrika 26, 1934.",
    "dbscan": "M. Ester, H.-P. Kriegel, J. Sander, X. Xu. A Density-Based Algorithm for Discovering Clusters in Large "
    "Spatial Databases with Noise. KDD, 1996.",
    "dfr": "Y. Shi, J. Yang, Z. Qi. Unsupervised Anomaly Segmentation via Deep Feature Reconstruction. "
    "Neurocomputing 424, 2021.",
    "dinov2": "M. Oquab et al. DINOv2: Learning Robust Visual Features without Supervision. TMLR, 2024.",
    "efficientnet": "M. Tan, Q. V. Le. EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks. "
    "ICML, 2019.",
    "efron": "B. Efron, R. J. Tibshirani. An Introduction to the Bootstrap. Chapman & Hall, 1993.",
    "hinton": "G. E. Hinton, R. R. Salakhutdinov. Reducing the Dimensionality of Data with Neural Networks. "
    "Science 313, 2006.",
    "distillation": "G. Hinton, O. Vinyals, J. Dean. Distilling the Knowledge in a Neural Network. arXiv:1503.02531, "
    "2015.",
    "jackson": "J. E. Jackson, G. S. Mudholkar. Control Procedures for Residuals Associated With Principal Component "
    "Analysis. Technometrics 21, 1979.",
    "jacob": "B. Jacob et al. Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only "
    "Inference. CVPR, 2018.",
    "mahalanobis": "K. Lee, K. Lee, H. Lee, J. Shin. A Simple Unified Framework for Detecting Out-of-Distribution "
    "Samples and Adversarial Attacks. NeurIPS, 2018.",
    "msp": "D. Hendrycks, K. Gimpel. A Baseline for Detecting Misclassified and Out-of-Distribution Examples in Neural "
    "Networks. ICLR, 2017.",
    "mvtec": "P. Bergmann, K. Batzner, M. Fauser, D. Sattlegger, C. Steger. The MVTec Anomaly Detection Dataset: A "
    "Comprehensive Real-World Dataset for Unsupervised Anomaly Detection. IJCV 129, 2021.",
    "padim": "T. Defard, A. Setkov, A. Loesch, R. Audigier. PaDiM: A Patch Distribution Modeling Framework for Anomaly "
    "Detection and Localization. ICPR Workshops, 2021.",
    "patchcore": "K. Roth, L. Pemula, J. Zepeda, B. Schölkopf, T. Brox, P. Gehler. Towards Total Recall in Industrial "
    "Anomaly Detection. CVPR, 2022.",
    "resnet": "K. He, X. Zhang, S. Ren, J. Sun. Deep Residual Learning for Image Recognition. CVPR, 2016.",
    "rousseeuw": "P. J. Rousseeuw. Silhouettes: A Graphical Aid to the Interpretation and Validation of Cluster "
    "Analysis. Journal of Computational and Applied Mathematics 20, 1987.",
    "hubert": "L. Hubert, P. Arabie. Comparing Partitions. Journal of Classification 2, 1985.",
    "ssim": "Z. Wang, A. C. Bovik, H. R. Sheikh, E. P. Simoncelli. Image Quality Assessment: From Error Visibility to "
    "Structural Similarity. IEEE Transactions on Image Processing 13, 2004.",
    "tsne": "L. van der Maaten, G. Hinton. Visualizing Data using t-SNE. JMLR 9, 2008.",
    "unet": "O. Ronneberger, P. Fischer, T. Brox. U-Net: Convolutional Networks for Biomedical Image Segmentation. "
    "MICCAI, 2015.",
    "vae": "D. P. Kingma, M. Welling. Auto-Encoding Variational Bayes. ICLR, 2014.",
    "vit": "A. Dosovitskiy et al. An Image is Worth 16x16 Words: Transformers for Image Recognition at Scale. "
    "ICLR, 2021.",
    "vovk": "V. Vovk, A. Gammerman, G. Shafer. Algorithmic Learning in a Random World. Springer, 2005.",
    "wilks": "S. S. Wilks. Determination of Sample Sizes for Setting Tolerance Limits. Annals of Mathematical "
    "Statistics 12, 1941.",
}
