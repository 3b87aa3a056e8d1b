"""The notebook's network, loss, optimiser and data in Lightning, with everything switched off that can be."""

from __future__ import annotations

import logging
import warnings

import lightning
import torch
from common import BATCH, LR, Clock, arguments, load_scans
from notebook import count_right, make_criterion, make_network, make_tensors
from torch.utils.data import DataLoader, TensorDataset


class Module(lightning.LightningModule):
    def __init__(self, name, side, clock):
        super().__init__()
        self.name, self.clock = name, clock
        self.network, self.criterion = make_network(name, side), make_criterion(name)
        self.right = self.seen = 0

    def training_step(self, batch):
        inputs, target = batch
        return self.criterion(self.network(inputs), target)

    def validation_step(self, batch):
        inputs, target = batch
        logits = self.network(inputs)
        self.right += count_right(self.name, logits, target)
        self.seen += len(inputs)
        return self.criterion(logits, target)

    def on_validation_epoch_end(self):
        self.clock.epoch(self.right / self.seen)
        self.right = self.seen = 0

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=LR)


def main():
    options = arguments()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    warnings.filterwarnings("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    clock = Clock()
    images, labels, n_train = load_scans(options.data)
    x, y = make_tensors(options.network, images, labels)
    trainer = lightning.Trainer(
        accelerator="cpu",
        max_epochs=options.epochs,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    trainer.fit(
        Module(options.network, images.shape[1], clock),
        DataLoader(TensorDataset(x[:n_train], y[:n_train]), batch_size=BATCH, shuffle=True),
        DataLoader(TensorDataset(x[n_train:], y[n_train:]), batch_size=BATCH),
    )
    clock.tell()


if __name__ == "__main__":
    main()
