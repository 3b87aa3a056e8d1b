"""The sources that a methods text may cite; what was cited is what is listed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reference:
    """One source: who, what, where, when; `doi` is empty where it has none."""

    authors: str
    title: str
    where: str
    year: int
    doi: str = ""

    def to_text(self) -> str:
        """Return the source as a line of a reference list."""
        doi = f" doi:{self.doi}" if self.doi else ""
        return f"{self.authors}. {self.title}. {self.where}, {self.year}.{doi}"


REFERENCES: dict[str, Reference] = {
    "ahe": Reference(
        "Pizer SM, Amburn EP, Austin JD, Cromartie R, Geselowitz A, Greer T, ter Haar Romeny B, Zimmerman JB, "
        "Zuiderveld K",
        "Adaptive histogram equalization and its variations",
        "Computer Vision, Graphics, and Image Processing 39:355-368",
        1987,
        "10.1016/S0734-189X(87)80186-X",
    ),
    "adam": Reference("Kingma DP, Ba J", "Adam: a method for stochastic optimization", "ICLR; arXiv:1412.6980", 2015),
    "adamw": Reference(
        "Loshchilov I, Hutter F", "Decoupled weight decay regularization", "ICLR; arXiv:1711.05101", 2019
    ),
    "average-precision": Reference(
        "Davis J, Goadrich M",
        "The relationship between precision-recall and ROC curves",
        "Proceedings of the 23rd International Conference on Machine Learning, 233-240",
        2006,
        "10.1145/1143844.1143874",
    ),
    "bag-of-tricks": Reference(
        "He T, Zhang Z, Zhang H, Zhang Z, Xie J, Li M",
        "Bag of tricks for image classification with convolutional neural networks",
        "IEEE/CVF Conference on Computer Vision and Pattern Recognition, 558-567",
        2019,
        "10.1109/CVPR.2019.00065",
    ),
    "batch-norm": Reference(
        "Ioffe S, Szegedy C",
        "Batch normalization: accelerating deep network training by reducing internal covariate shift",
        "ICML, PMLR 37:448-456; arXiv:1502.03167",
        2015,
    ),
    "bbc": Reference(
        "Tsamardinos I, Greasidou E, Borboudakis G",
        "Bootstrapping the out-of-sample predictions for efficient and accurate cross-validation",
        "Machine Learning 107:1895-1922",
        2018,
        "10.1007/s10994-018-5714-4",
    ),
    "bell-mccaffrey": Reference(
        "Bell RM, McCaffrey DF",
        "Bias reduction in standard errors for linear regression with multi-stage samples",
        "Survey Methodology 28:169-181",
        2002,
    ),
    "bf16": Reference(
        "Kalamkar D, Mudigere D, Mellempudi N, et al.",
        "A study of BFLOAT16 for deep learning training",
        "arXiv:1905.12322",
        2019,
    ),
    "bonett-price": Reference(
        "Bonett DG, Price RM",
        "Adjusted Wald confidence interval for a difference of binomial proportions based on paired data",
        "Journal of Educational and Behavioral Statistics 37:479-488",
        2012,
        "10.3102/1076998611411915",
    ),
    "boyd": Reference(
        "Boyd K, Eng KH, Page CD",
        "Area under the precision-recall curve: point estimates and confidence intervals",
        "ECML PKDD, Lecture Notes in Computer Science 8190:451-466",
        2013,
        "10.1007/978-3-642-40994-3_29",
    ),
    "brown": Reference(
        "Brown LD, Cai TT, DasGupta A",
        "Interval estimation for a binomial proportion",
        "Statistical Science 16:101-133",
        2001,
        "10.1214/ss/1009213286",
    ),
    "broecker": Reference(
        "Bröcker J, Smith LA",
        "Increasing the reliability of reliability diagrams",
        "Weather and Forecasting 22:651-661",
        2007,
        "10.1175/WAF993.1",
    ),
    "c2st": Reference("Lopez-Paz D, Oquab M", "Revisiting classifier two-sample tests", "ICLR; arXiv:1610.06545", 2017),
    "chen": Reference(
        "Chen W, Gallas BD, Yousef WA",
        "Classifier variability: accounting for training and testing",
        "Pattern Recognition 45:2661-2671",
        2012,
        "10.1016/j.patcog.2011.12.024",
    ),
    "class-imbalance": Reference(
        "Buda M, Maki A, Mazurowski MA",
        "A systematic study of the class imbalance problem in convolutional neural networks",
        "Neural Networks 106:249-259",
        2018,
        "10.1016/j.neunet.2018.07.011",
    ),
    "cochran": Reference("Cochran WG", "Sampling techniques, third edition", "Wiley, New York", 1977),
    "confident-learning": Reference(
        "Northcutt CG, Jiang L, Chuang IL",
        "Confident learning: estimating uncertainty in dataset labels",
        "Journal of Artificial Intelligence Research 70:1373-1411",
        2021,
        "10.1613/jair.1.12125",
    ),
    "corp": Reference(
        "Dimitriadis T, Gneiting T, Jordan AI",
        "Stable reliability diagrams for probabilistic classifiers",
        "Proceedings of the National Academy of Sciences 118:e2016191118",
        2021,
        "10.1073/pnas.2016191118",
    ),
    "cosine": Reference(
        "Loshchilov I, Hutter F",
        "SGDR: stochastic gradient descent with warm restarts",
        "ICLR; arXiv:1608.03983",
        2017,
    ),
    "clahe": Reference(
        "Zuiderveld K",
        "Contrast limited adaptive histogram equalization",
        "Graphics Gems IV, Academic Press, 474-485",
        1994,
        "10.1016/B978-0-12-336156-1.50061-6",
    ),
    "covid-net": Reference(
        "Wang L, Lin ZQ, Wong A",
        "COVID-Net: a tailored deep convolutional neural network design for detection of COVID-19 cases from chest "
        "X-ray images",
        "Scientific Reports 10:19549",
        2020,
        "10.1038/s41598-020-76550-z",
    ),
    "cox": Reference(
        "Cox DR",
        "Two further applications of a model for binary regression",
        "Biometrika 45:562-565",
        1958,
        "10.1093/biomet/45.3-4.562",
    ),
    "cutmix": Reference(
        "Yun S, Han D, Oh SJ, Chun S, Choe J, Yoo Y",
        "CutMix: regularization strategy to train strong classifiers with localizable features",
        "ICCV, 6023-6032; arXiv:1905.04899",
        2019,
    ),
    "decision-curve": Reference(
        "Vickers AJ, Elkin EB",
        "Decision curve analysis: a novel method for evaluating prediction models",
        "Medical Decision Making 26:565-574",
        2006,
        "10.1177/0272989X06295361",
    ),
    "delong": Reference(
        "DeLong ER, DeLong DM, Clarke-Pearson DL",
        "Comparing the areas under two or more correlated receiver operating characteristic curves: a nonparametric "
        "approach",
        "Biometrics 44:837-845",
        1988,
        "10.2307/2531595",
    ),
    "dropout": Reference(
        "Srivastava N, Hinton G, Krizhevsky A, Sutskever I, Salakhutdinov R",
        "Dropout: a simple way to prevent neural networks from overfitting",
        "Journal of Machine Learning Research 15:1929-1958",
        2014,
    ),
    "edwards-hsu": Reference(
        "Edwards DG, Hsu JC",
        "Multiple comparisons with the best treatment",
        "Journal of the American Statistical Association 78:965-971",
        1983,
        "10.1080/01621459.1983.10477047",
    ),
    "ema": Reference(
        "Morales-Brotons D, Vogels T, Hendrikx H",
        "Exponential moving average of weights in deep learning: dynamics and benefits",
        "Transactions on Machine Learning Research; arXiv:2411.18704",
        2024,
    ),
    "erasing": Reference(
        "Zhong Z, Zheng L, Kang G, Li S, Yang Y",
        "Random erasing data augmentation",
        "AAAI 34:13001-13008; arXiv:1708.04896",
        2020,
        "10.1609/aaai.v34i07.7000",
    ),
    "farrington-manning": Reference(
        "Farrington CP, Manning G",
        "Test statistics and sample size formulae for comparative binomial trials with null hypothesis of non-zero "
        "risk difference or non-unity relative risk",
        "Statistics in Medicine 9:1447-1454",
        1990,
        "10.1002/sim.4780091208",
    ),
    "ensemble": Reference(
        "Lakshminarayanan B, Pritzel A, Blundell C",
        "Simple and scalable predictive uncertainty estimation using deep ensembles",
        "Advances in Neural Information Processing Systems 30; arXiv:1612.01474",
        2017,
    ),
    "focal": Reference(
        "Lin TY, Goyal P, Girshick R, He K, Dollár P",
        "Focal loss for dense object detection",
        "IEEE International Conference on Computer Vision, 2980-2988",
        2017,
        "10.1109/ICCV.2017.324",
    ),
    "guo": Reference(
        "Guo C, Pleiss G, Sun Y, Weinberger KQ",
        "On calibration of modern neural networks",
        "ICML, PMLR 70:1321-1330; arXiv:1706.04599",
        2017,
    ),
    "hanley-mcneil": Reference(
        "Hanley JA, McNeil BJ",
        "The meaning and use of the area under a receiver operating characteristic (ROC) curve",
        "Radiology 143:29-36",
        1982,
        "10.1148/radiology.143.1.7063747",
    ),
    "hillis-2007": Reference(
        "Hillis SL",
        "A comparison of denominator degrees of freedom methods for multiple observer ROC analysis",
        "Statistics in Medicine 26:596-619",
        2007,
        "10.1002/sim.2532",
    ),
    "hillis-2011": Reference(
        "Hillis SL, Obuchowski NA, Berbaum KS",
        "Power estimation for multireader ROC methods: an updated and unified approach",
        "Academic Radiology 18:129-142",
        2011,
        "10.1016/j.acra.2010.09.007",
    ),
    "hillis-2014": Reference(
        "Hillis SL",
        "A marginal-mean ANOVA approach for analyzing multireader multicase radiological imaging data",
        "Statistics in Medicine 33:330-360",
        2014,
        "10.1002/sim.5926",
    ),
    "berger": Reference(
        "Berger RL",
        "Multiparameter hypothesis testing and acceptance sampling",
        "Technometrics 24:295-300",
        1982,
        "10.2307/1267823",
    ),
    "lauzon-caffo": Reference(
        "Lauzon C, Caffo B",
        "Easy multiplicity control in equivalence testing using two one-sided tests",
        "The American Statistician 63:147-154",
        2009,
        "10.1198/tast.2009.0029",
    ),
    "holm": Reference(
        "Holm S",
        "A simple sequentially rejective multiple test procedure",
        "Scandinavian Journal of Statistics 6:65-70",
        1979,
    ),
    "hsu": Reference(
        "Hsu JC",
        "Multiple comparisons: theory and methods",
        "Chapman and Hall, London",
        1996,
        "10.1201/b15074",
    ),
    "kappa": Reference(
        "Cohen J",
        "Weighted kappa: nominal scale agreement with provision for scaled disagreement or partial credit",
        "Psychological Bulletin 70:213-220",
        1968,
        "10.1037/h0026256",
    ),
    "korn": Reference(
        "Korn EL, Graubard BI",
        "Confidence intervals for proportions with small expected number of positive counts estimated from survey data",
        "Survey Methodology 24:193-201",
        1998,
    ),
    "kumar": Reference(
        "Kumar A, Liang PS, Ma T",
        "Verified uncertainty calibration",
        "Advances in Neural Information Processing Systems 32; arXiv:1909.10155",
        2019,
    ),
    "label-smoothing": Reference(
        "Szegedy C, Vanhoucke V, Ioffe S, Shlens J, Wojna Z",
        "Rethinking the Inception architecture for computer vision",
        "IEEE Conference on Computer Vision and Pattern Recognition, 2818-2826",
        2016,
        "10.1109/CVPR.2016.308",
    ),
    "layer-rates": Reference(
        "Howard J, Ruder S",
        "Universal language model fine-tuning for text classification",
        "Annual Meeting of the Association for Computational Linguistics, 328-339",
        2018,
        "10.18653/v1/P18-1031",
    ),
    "lakens": Reference(
        "Lakens D",
        "Equivalence tests: a practical primer for t tests, correlations, and meta-analyses",
        "Social Psychological and Personality Science 8:355-362",
        2017,
        "10.1177/1948550617697177",
    ),
    "mae": Reference(
        "Baccianella S, Esuli A, Sebastiani F",
        "Evaluation measures for ordinal regression",
        "Ninth International Conference on Intelligent Systems Design and Applications, 283-287",
        2009,
        "10.1109/ISDA.2009.230",
    ),
    "mcnemar": Reference(
        "Fagerland MW, Lydersen S, Laake P",
        "The McNemar test for binary matched-pairs data: mid-p and asymptotic are better than exact conditional",
        "BMC Medical Research Methodology 13:91",
        2013,
        "10.1186/1471-2288-13-91",
    ),
    "mercaldo": Reference(
        "Mercaldo ND, Lau KF, Zhou XH",
        "Confidence intervals for predictive values with an emphasis to case-control studies",
        "Statistics in Medicine 26:2170-2183",
        2007,
        "10.1002/sim.2677",
    ),
    "mixup": Reference(
        "Zhang H, Cisse M, Dauphin YN, Lopez-Paz D",
        "mixup: beyond empirical risk minimization",
        "ICLR; arXiv:1710.09412",
        2018,
    ),
    "newcombe-2006": Reference(
        "Newcombe RG",
        "Confidence intervals for an effect size measure based on the Mann-Whitney statistic. Part 2: asymptotic "
        "methods and evaluation",
        "Statistics in Medicine 25:559-573",
        2006,
        "10.1002/sim.2324",
    ),
    "obuchowski-1997": Reference(
        "Obuchowski NA",
        "Nonparametric analysis of clustered ROC curve data",
        "Biometrics 53:567-578",
        1997,
        "10.2307/2533958",
    ),
    "obuchowski-rockette": Reference(
        "Obuchowski NA, Rockette HE",
        "Hypothesis testing of diagnostic accuracy for multiple readers and multiple tests: an ANOVA approach with "
        "dependent observations",
        "Communications in Statistics - Simulation and Computation 24:285-308",
        1995,
        "10.1080/03610919508813243",
    ),
    "one-cycle": Reference(
        "Smith LN, Topin N",
        "Super-convergence: very fast training of neural networks using large learning rates",
        "Proceedings of SPIE 11006:369-386",
        2019,
        "10.1117/12.2520589",
    ),
    "octdl": Reference(
        "Kulyabin M, Zhdanov A, Nikiforova A, Stepichev A, Kuznetsova A, Ronkin M, et al.",
        "OCTDL: optical coherence tomography dataset for image-based deep learning methods",
        "Scientific Data 11:365",
        2024,
        "10.1038/s41597-024-03182-7",
    ),
    "owen": Reference(
        "Owen AB", "The pigeonhole bootstrap", "Annals of Applied Statistics 1:386-411", 2007, "10.1214/07-AOAS122"
    ),
    "perez": Reference(
        "Perez F, Vasconcelos C, Avila S, Valle E",
        "Data augmentation for skin lesion analysis",
        "ISIC Skin Image Analysis Workshop, Lecture Notes in Computer Science 11041:303-311; arXiv:1809.01442",
        2018,
        "10.1007/978-3-030-01201-4_33",
    ),
    "permutation": Reference(
        "Phipson B, Smyth GK",
        "Permutation p-values should never be zero: calculating exact p-values when permutations are randomly drawn",
        "Statistical Applications in Genetics and Molecular Biology 9:39",
        2010,
        "10.2202/1544-6115.1585",
    ),
    "prechelt": Reference(
        "Prechelt L",
        "Early stopping - but when?",
        "Neural Networks: Tricks of the Trade, Lecture Notes in Computer Science 1524:55-69",
        1998,
        "10.1007/3-540-49430-8_3",
    ),
    "pytorch": Reference(
        "Paszke A, Gross S, Massa F, et al",
        "PyTorch: an imperative style, high-performance deep learning library",
        "Advances in Neural Information Processing Systems 32:8024-8035; arXiv:1912.01703",
        2019,
    ),
    "qin": Reference(
        "Qin G, Hotilovac L",
        "Comparison of non-parametric confidence intervals for the area under the ROC curve of a continuous-scale "
        "diagnostic test",
        "Statistical Methods in Medical Research 17:207-221",
        2008,
        "10.1177/0962280207087173",
    ),
    "rao-scott": Reference(
        "Rao JNK, Scott AJ",
        "A simple method for the analysis of clustered binary data",
        "Biometrics 48:577-585",
        1992,
        "10.2307/2532311",
    ),
    "resnet": Reference(
        "He K, Zhang X, Ren S, Sun J",
        "Deep residual learning for image recognition",
        "Proceedings of the IEEE Conference on Computer Vision and Pattern Recognition, 770-778",
        2016,
        "10.1109/CVPR.2016.90",
    ),
    "roc": Reference(
        "Fawcett T",
        "An introduction to ROC analysis",
        "Pattern Recognition Letters 27:861-874",
        2006,
        "10.1016/j.patrec.2005.10.010",
    ),
    "schuirmann": Reference(
        "Schuirmann DJ",
        "A comparison of the two one-sided tests procedure and the power approach for assessing the equivalence of "
        "average bioavailability",
        "Journal of Pharmacokinetics and Biopharmaceutics 15:657-680",
        1987,
        "10.1007/BF01068419",
    ),
    "scikit-image": Reference(
        "van der Walt S, Schönberger JL, Nunez-Iglesias J, Boulogne F, Warner JD, Yager N, Gouillart E, Yu T",
        "scikit-image: image processing in Python",
        "PeerJ 2:e453",
        2014,
        "10.7717/peerj.453",
    ),
    "scikit-learn": Reference(
        "Pedregosa F, Varoquaux G, Gramfort A, et al",
        "Scikit-learn: machine learning in Python",
        "Journal of Machine Learning Research 12:2825-2830",
        2011,
    ),
    "timm": Reference("Wightman R", "PyTorch image models", "Zenodo", 2019, "10.5281/zenodo.4414861"),
    "tellez": Reference(
        "Tellez D, Litjens G, Bándi P, Bulten W, Bokhorst JM, Ciompi F, van der Laak J",
        "Quantifying the effects of data augmentation and stain color normalization in convolutional neural networks "
        "for computational pathology",
        "Medical Image Analysis 58:101544",
        2019,
        "10.1016/j.media.2019.101544",
    ),
    "u-net": Reference(
        "Ronneberger O, Fischer P, Brox T",
        "U-Net: convolutional networks for biomedical image segmentation",
        "MICCAI, Lecture Notes in Computer Science 9351:234-241; arXiv:1505.04597",
        2015,
        "10.1007/978-3-319-24574-4_28",
    ),
    "zou-donner": Reference(
        "Zou GY, Donner A",
        "Construction of confidence limits about effect measures: a general approach",
        "Statistics in Medicine 27:1693-1702",
        2008,
        "10.1002/sim.3095",
    ),
}
"""By the key that a text cites them with."""

_CITATION = re.compile(r"\[@([a-z0-9-]+(?:; ?@[a-z0-9-]+)*)\]")


def without_citations(text: str) -> str:
    """Return a text without its citations."""
    return re.sub(rf" ?{_CITATION.pattern}", "", text)


def numbered_references(texts: Sequence[str]) -> tuple[list[str], list[Reference]]:
    """Put numbers in the place of citations, in the order in which sources are first cited, and list those sources.

    A citation is written ``[@holm]``, or ``[@qin; @boyd]`` for two sources.

    Raises
    ------
    KeyError
        If a text cites what `REFERENCES` does not hold.
    """
    order: dict[str, int] = {}

    def number(match: re.Match[str]) -> str:
        keys = [key.strip().removeprefix("@") for key in match[1].split(";")]
        numbers = [order.setdefault(key, len(order) + 1) for key in keys]
        return f"[{', '.join(map(str, sorted(numbers)))}]"

    written = [_CITATION.sub(number, one) for one in texts]
    return written, [REFERENCES[key] for key in order]
