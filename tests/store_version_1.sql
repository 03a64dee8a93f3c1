CREATE TABLE boxloop (
	version INTEGER NOT NULL, 
	PRIMARY KEY (version)
);
INSERT INTO "boxloop" VALUES(1);
CREATE TABLE comparison (
	id TEXT NOT NULL, 
	owner TEXT NOT NULL, 
	models JSON NOT NULL, 
	created DOUBLE NOT NULL, 
	removed DOUBLE, 
	PRIMARY KEY (id)
);
INSERT INTO "comparison" VALUES('86ad6b3abbb4b504636261c47f88050b','3fd30542fe3f61b14bd4a4b2dc0b6fb30fa6f63ebce52dd1778aaa8c4dc02cff','["m1", "m2"]',1.79571783513164877884e+09,NULL);
CREATE TABLE comparison_sample (
	comparison TEXT NOT NULL, 
	position INTEGER NOT NULL, 
	id TEXT NOT NULL, 
	sample TEXT NOT NULL, 
	PRIMARY KEY (comparison, position), 
	UNIQUE (comparison, id), 
	FOREIGN KEY(comparison) REFERENCES comparison (id), 
	FOREIGN KEY(sample) REFERENCES sample ("key")
);
INSERT INTO "comparison_sample" VALUES('86ad6b3abbb4b504636261c47f88050b',0,'s1','e26fdc6bd683fbb852bbb6348040a4a0358104441f26491f1713d592f92a0a33');
INSERT INTO "comparison_sample" VALUES('86ad6b3abbb4b504636261c47f88050b',1,'s2','afeba30a898c23cab357873aa67dc631050a6c26b8c39b994d0302d39eb7d134');
CREATE TABLE image (
	sha256 TEXT NOT NULL, 
	pixels_sha256 TEXT NOT NULL, 
	file TEXT NOT NULL, 
	bytes BIGINT NOT NULL, 
	width INTEGER NOT NULL, 
	height INTEGER NOT NULL, 
	split TEXT, 
	created DOUBLE NOT NULL, 
	PRIMARY KEY (sha256)
);
INSERT INTO "image" VALUES('50487a579de3ad162bf5be3e1ed906adb330a484f5fdc1ae089a489c13cfd0f3','88f23dd3b12ab98879ccafa970db612b60c4f599fce8edcbd94e98ad2e097b87','50/50487a579de3ad162bf5be3e1ed906adb330a484f5fdc1ae089a489c13cfd0f3.png',214,64,48,NULL,1.79571783512132215499e+09);
CREATE TABLE prediction (
	seq INTEGER NOT NULL, 
	id TEXT NOT NULL, 
	comparison TEXT NOT NULL, 
	sample TEXT NOT NULL, 
	model TEXT NOT NULL, 
	answer JSON NOT NULL, 
	created DOUBLE NOT NULL, 
	PRIMARY KEY (seq), 
	FOREIGN KEY(comparison, sample) REFERENCES comparison_sample (comparison, id), 
	UNIQUE (id)
);
INSERT INTO "prediction" VALUES(1,'80f16da332e45f64437131a531f5461f','86ad6b3abbb4b504636261c47f88050b','s1','m1','{"model": "m1", "revision": "abc", "request": {"images": [], "task": "detect", "names": ["cat", "dog"], "caption": "", "think": false, "prompt": null, "phrases": false}, "generation": {"max_tokens": 512, "temperature": 0.0, "max_pixels": null, "seed": 0}, "prompt": "detect cat", "text": "two cats", "frame": {"image_size": [64, 48], "input_size": [224, 224]}, "annotations": [{"label": "cat", "box": [1.0, 2.0, 30.0, 40.0], "points": [], "score": 0.5, "id": "", "image": 0, "crowd": false, "area": null, "score_source": ""}, {"label": "dog", "box": [2.0, 3.0, 9.0, 9.0], "points": [], "score": null, "id": "", "image": 0, "crowd": false, "area": null, "score_source": ""}], "status": "ok", "problems": [], "tokens": 12, "seconds": 0.5, "seconds_to_first": null}',1.79571783516106605531e+09);
CREATE TABLE sample (
	"key" TEXT NOT NULL, 
	id TEXT NOT NULL, 
	task TEXT NOT NULL, 
	"query" TEXT NOT NULL, 
	truth JSON, 
	answer TEXT, 
	source TEXT NOT NULL, 
	created DOUBLE NOT NULL, 
	PRIMARY KEY ("key")
);
INSERT INTO "sample" VALUES('afeba30a898c23cab357873aa67dc631050a6c26b8c39b994d0302d39eb7d134','s2','detect','cat','[{"label": "cat", "box": [1.0, 2.0, 30.0, 40.0], "points": [], "score": null, "id": "c", "image": 0, "crowd": false, "area": null, "score_source": ""}]',NULL,'pets.csv',1.79571783513164877884e+09);
INSERT INTO "sample" VALUES('e26fdc6bd683fbb852bbb6348040a4a0358104441f26491f1713d592f92a0a33','s1','detect','cat; dog',NULL,NULL,'',1.79571783513164877884e+09);
CREATE TABLE sample_image (
	sample TEXT NOT NULL, 
	position INTEGER NOT NULL, 
	image TEXT NOT NULL, 
	name TEXT NOT NULL, 
	PRIMARY KEY (sample, position), 
	FOREIGN KEY(sample) REFERENCES sample ("key"), 
	FOREIGN KEY(image) REFERENCES image (sha256)
);
INSERT INTO "sample_image" VALUES('afeba30a898c23cab357873aa67dc631050a6c26b8c39b994d0302d39eb7d134',0,'50487a579de3ad162bf5be3e1ed906adb330a484f5fdc1ae089a489c13cfd0f3','photo.png');
INSERT INTO "sample_image" VALUES('e26fdc6bd683fbb852bbb6348040a4a0358104441f26491f1713d592f92a0a33',0,'50487a579de3ad162bf5be3e1ed906adb330a484f5fdc1ae089a489c13cfd0f3','photo.png');
CREATE TABLE share (
	token TEXT NOT NULL, 
	comparison TEXT NOT NULL, 
	created DOUBLE NOT NULL, 
	revoked DOUBLE, 
	PRIMARY KEY (token), 
	FOREIGN KEY(comparison) REFERENCES comparison (id)
);
INSERT INTO "share" VALUES('2bfdb3b3ef9edb4f47c9ff904c311674ae51fd26b512093879a08a29525fd45d','86ad6b3abbb4b504636261c47f88050b',1.79571783516777563091e+09,NULL);
CREATE INDEX ix_image_pixels_sha256 ON image (pixels_sha256);
CREATE INDEX comparison_of_owner ON comparison (owner, created);
CREATE INDEX ix_sample_image_image ON sample_image (image);
CREATE INDEX ix_comparison_sample_sample ON comparison_sample (sample);
CREATE INDEX ix_share_comparison ON share (comparison);
CREATE INDEX prediction_of_sample ON prediction (comparison, sample, model, seq);
