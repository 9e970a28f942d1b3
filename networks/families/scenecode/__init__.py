"""SceneCode (Zhi et al. 2019): a multitask conditional variational auto-encoder whose compact
codes describe what one image leaves open about depth and labels."""
