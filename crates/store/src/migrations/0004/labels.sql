-- Labels are counted by their value before runs are looked up by them. An index that has the whole value answers that by
-- itself, without a look at each run's own labels. Long values are found no such way.
DROP INDEX run_params_by_value;
DROP INDEX run_tags_by_value;
CREATE INDEX run_params_by_value ON run_params ("key", "value") WHERE length("value") <= 250;
CREATE INDEX run_tags_by_value ON run_tags ("key", "value") WHERE length("value") <= 250 AND substr("key", 1, 7) <> 'mlflow.';
