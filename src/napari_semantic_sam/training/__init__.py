"""Records, prompts drawn from masks, matching, losses and the trainer; knows `model/`."""
