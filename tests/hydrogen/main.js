// Hydrogen, put together as its own `main` does it.
import { Platform, RootViewModel, FeatureSet, createNavigation, createRouter }
  from "hydrogen-view-sdk";

const platform = new Platform({
  container: document.body,
  assetPaths: { serviceWorker: "sw.js" },
  config: { defaultHomeServer: new URLSearchParams(location.search).get("server") },
  options: {},
});
const navigation = createNavigation();
platform.setNavigation(navigation);
await platform.init();
const urlRouter = createRouter({ navigation, history: platform.history });
urlRouter.attach();
const features = await FeatureSet.load(platform.settingsStorage);
const root = new RootViewModel({ platform, urlRouter, navigation, features });
await root.load();
platform.createAndMountRootView(root);
