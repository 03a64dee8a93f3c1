// One frame of the camera, as a JPEG file like any other.

const camera = find('.tray-camera'), video = find('.tray-video'), shoot = find('.tray-shoot');
let stream = null, shots = 0;
const NO_CAMERA = {
  NotAllowedError: 'The camera is not allowed here. Allow it for this page in the browser, or choose a file instead.',
  NotFoundError: 'This machine has no camera. Choose a file instead.',
  NotReadableError: 'The camera is in use by another program. Close that, or choose a file instead.',
};

async function openCamera() {
  put(find('.tray-camera-problem'), '');
  shoot.disabled = true;
  video.hidden = false;
  camera.showModal();
  try {
    if (!navigator.mediaDevices) throw new Error('Browsers give the camera only to https pages and to localhost.');
    const found = await navigator.mediaDevices.getUserMedia(
      {video: {facingMode: 'environment', width: {ideal: 1920}, height: {ideal: 1080}}});
    if (!camera.open) { for (const track of found.getTracks()) track.stop(); return; }
    stream = found;
    video.srcObject = stream;
    await video.play();
    shoot.disabled = false;
    shoot.focus();
  } catch (error) {
    video.hidden = true;
    put(find('.tray-camera-problem'), NO_CAMERA[error.name] || `The camera cannot be used: ${error.message || error}`);
  }
}

function closeCamera() {
  for (const track of stream ? stream.getTracks() : []) track.stop();
  stream = video.srcObject = null;
  if (camera.open) camera.close();
}

function photograph() {
  const canvas = document.createElement('canvas');
  canvas.width = video.videoWidth;
  canvas.height = video.videoHeight;
  canvas.getContext('2d').drawImage(video, 0, 0);
  closeCamera();
  canvas.toBlob(blob => {
    const name = `camera-${++shots}.jpg`;
    take([{file: new File([blob], name, {type: 'image/jpeg'}), name}]);
  }, 'image/jpeg', 0.92);
}

find('.tray-camera-button').addEventListener('click', openCamera);
find('.tray-camera-close').addEventListener('click', closeCamera);
camera.addEventListener('close', closeCamera);
shoot.addEventListener('click', photograph);
